import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { createMemoryWatch } from '../../../src/sandbox/cloud-run-launcher/memory.ts';

const dir = mkdtempSync(join(tmpdir(), 'runyard-memory-'));
const meminfo = join(dir, 'meminfo');
afterAll(() => rmSync(dir, { recursive: true }));

const tell = (mebibytes: number) => writeFileSync(meminfo, `MemAvailable: ${mebibytes * 1024} kB\n`);

test('a look that fails ends nobody but itself: what runs out after it is told', async () => {
  const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
  const low = Promise.withResolvers<void>();
  tell(4096);
  const end = createMemoryWatch(meminfo).add(low.resolve);
  rmSync(meminfo);
  expect((await warned).message).toContain('ENOENT');
  tell(1);
  await low.promise;
  end();
});
