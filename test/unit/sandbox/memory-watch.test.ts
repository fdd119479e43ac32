import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, test } from 'vitest';
import { createMemoryWatch } from '../../../src/sandbox/cloud-run-launcher/memory.ts';

const dir = mkdtempSync(join(tmpdir(), 'runyard-memory-'));
const meminfo = join(dir, 'meminfo');
afterAll(() => rmSync(dir, { recursive: true }));

const tell = (mebibytes: number) => writeFileSync(meminfo, `MemAvailable: ${mebibytes * 1024} kB\n`);

test('a look that fails ends nobody but itself: what runs out after it is told', async () => {
  const warned = Promise.withResolvers<void>();
  const hear = ({ message }: Error) => message.includes('ENOENT') && warned.resolve();
  process.on('warning', hear);
  const low = Promise.withResolvers<void>();
  tell(4096);
  const end = createMemoryWatch(meminfo).add(low.resolve);
  rmSync(meminfo);
  await warned.promise;
  process.off('warning', hear);
  tell(1);
  await low.promise;
  end();
});
