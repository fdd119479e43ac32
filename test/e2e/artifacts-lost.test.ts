import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { RunyardError } from '../../src/contracts/errors.ts';
import { newTaskId } from '../../src/contracts/ids.ts';
import { keys } from '../../src/contracts/keys.ts';
import type { Store } from '../../src/contracts/store.ts';
import { type CodeSpec, runResult, type TaskRecord } from '../../src/contracts/task.ts';
import { closeInheritedDescriptors } from '../../src/lib/descriptors.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { executeRun } from '../../src/runner/run.ts';
import { createBubblewrap } from '../../src/sandbox/bubblewrap/index.ts';
import { createLocalSeal } from '../../src/seal/local.ts';
import { createFilesystemStore } from '../../src/store/filesystem.ts';

closeInheritedDescriptors();
const home = mkdtempSync(join(process.getuid?.() === 0 ? '/var/lib' : tmpdir(), 'runyard-lost-'));
chmodSync(home, 0o711);
const store = createFilesystemStore({ dir: join(home, 'store') });
const sandbox = createBubblewrap({ workDir: join(home, 'work'), nodePath: process.execPath, slots: 0 });
afterAll(async () => {
  await sandbox.close();
  await store.close();
  rmSync(home, { recursive: true, force: true });
});

/** As a disk that has room for a result and for no artifact but the first. */
const crowded: Store = {
  ...store,
  create: async (key, data) => {
    if (key.endsWith('output/b')) throw new RunyardError('backend_error', 'The disk is full.');
    return store.create(key, data);
  },
};

test.each([
  ['echo said', { status: 'failed', exitCode: 0, error: { code: 'backend_error' } }],
  ['echo said; exit 3', { status: 'failed', exitCode: 3, error: { code: 'command_failed' } }],
])('what a program did stands though its artifacts cannot be kept: %s', async (code, expected) => {
  const seal = createLocalSeal({ keyFile: join(home, 'key') });
  const createdAt = new Date().toISOString();
  const about = { kind: 'code', owner: 'local:0', backend: 'local', runs: 1, size: 'small' } as const;
  const task: TaskRecord = { ...about, id: newTaskId(), createdAt, timeoutSeconds: 30 };
  const text = `echo a > output/a; echo b > output/b; ${code}`;
  const spec: CodeSpec = { kind: 'code', language: 'bash', code: text, files: [], stdin: '', args: [], env: {} };
  await store.create(keys.sealed(task.id), await seal.seal(Buffer.from(JSON.stringify(spec)), task.id));
  const openGateway = () => Promise.reject(new Error('no gateway is asked for'));
  const others = { seal, sandbox, openGateway, handle: {}, tell: () => {}, log: silentLogger };
  await executeRun({ store: crowded, ...others }, task, 0, new AbortController());
  const result = runResult.parse(JSON.parse(String(await store.read(keys.result(task.id, 0)))));
  expect(result).toMatchObject({ ...expected, stdout: 'said\n', artifacts: [{ path: 'output/a' }] });
  const chunks = await Promise.all((await store.list(keys.events(task.id, 0))).map((key) => store.read(key)));
  expect(chunks.join('')).toContain('could not be collected. The disk is full.');
});
