import { createRequire, syncBuiltinESMExports } from 'node:module';
import { expect, onTestFinished, test } from 'vitest';
import { newTaskId } from '../../../src/contracts/ids.ts';
import type { TaskRecord } from '../../../src/contracts/task.ts';
import { inputsLayer } from '../../../src/runner/inputs.ts';

/** As in Node 22.12 to 22.14. */
function forgetZstd(): void {
  const zlib: Record<string, unknown> = createRequire(import.meta.url)('node:zlib');
  const { zstdCompress, createZstdDecompress } = zlib;
  onTestFinished(() => {
    Object.assign(zlib, { zstdCompress, createZstdDecompress });
    syncBuiltinESMExports();
  });
  delete zlib.zstdCompress;
  delete zlib.createZstdDecompress;
  syncBuiltinESMExports();
}

test('a runner whose Node has no zstd says that, and nothing of a store', async () => {
  forgetZstd();
  const inputs = [{ name: 'a', from: `sha256:${'0'.repeat(64)}` }];
  const id = newTaskId();
  const about = { kind: 'claude', owner: 'key:alice', backend: 'local', runs: 1, size: 'small' } as const;
  const task: TaskRecord = { id, ...about, timeoutSeconds: 60, createdAt: new Date().toISOString() };
  const store = { read: async () => Buffer.from('packed') };
  const layer = inputsLayer(inputs, { task, store, stop: new AbortController().signal });
  await expect(layer.lay(async () => {})).rejects.toMatchObject({
    code: 'backend_error',
    message: expect.stringMatching(/^The input a cannot be unpacked: that needs Node\.js 22\.15/),
  });
});
