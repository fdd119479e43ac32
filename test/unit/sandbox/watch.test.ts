import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { bytesBelow } from '../../../src/sandbox/shared/disk-usage.ts';
import { createWatch, type Watched } from '../../../src/sandbox/shared/watch.ts';

const dir = mkdtempSync(join(tmpdir(), 'runyard-watch-'));
const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
  rmSync(dir, { recursive: true, force: true });
});

/** A workspace that is over its limit of files, however the disk is doing. */
function watched(told: Partial<Watched>): Watched {
  mkdirSync(join(dir, 'workspace'), { recursive: true });
  writeFileSync(join(dir, 'workspace/file'), 'x');
  return {
    workspace: join(dir, 'workspace'),
    processes: async () => [],
    limits: { workspaceBytes: 1024 ** 4, workspaceInodes: 0 },
    onDiskLimit: () => undefined,
    onLook: () => undefined,
    ...told,
  };
}

test('a look that fails ends nobody but itself: the next one is taken', async () => {
  const warned: string[] = [];
  const hear = ({ message }: Error) => void warned.push(message);
  process.on('warning', hear);
  ends.push(() => process.off('warning', hear));
  const looks = { failing: 0 };
  const watch = createWatch(dir);
  const fail = () => {
    looks.failing += 1;
    throw new Error('too many open files');
  };
  ends.push(watch.add(watched({ onLook: fail })));
  await vi.waitFor(() => expect(looks.failing).toBeGreaterThan(2), { timeout: 10_000 });
  expect(warned.filter((message) => message.includes('too many open files'))).toHaveLength(1);
});

test('a measurement that fails is taken again', async () => {
  const asked = { times: 0 };
  const processes = async () => {
    asked.times += 1;
    if (asked.times === 1) throw new Error('too many open files');
    return [];
  };
  const limits = { workspaceBytes: 64 * 1024, workspaceInodes: 1_000_000 };
  ends.push(createWatch(dir).add(watched({ processes, limits })));
  // Beside the workspace: the disk loses more than the limit, so it has to be looked who it was.
  const grow = setInterval(() => writeFileSync(join(dir, `${performance.now()}`), Buffer.alloc(1024 ** 2, 1)), 50);
  ends.push(() => clearInterval(grow));
  await vi.waitFor(() => expect(asked.times).toBeGreaterThanOrEqual(1), { timeout: 10_000 });
  clearInterval(grow);
  await vi.waitFor(() => expect(asked.times).toBeGreaterThanOrEqual(2), { timeout: 5_000 });
});

test('what a workspace takes is told, however many of its folders are shut to whoever measures', async () => {
  const workspace = join(dir, 'workspace');
  mkdirSync(workspace, { recursive: true });
  chmodSync(dir, 0o755);
  writeFileSync(join(workspace, 'large'), Buffer.alloc(1024 ** 2, 1));
  // More words of complaint than one call of a program is usually given room for.
  const shut = Array.from({ length: 6000 }, (_, index) => join(workspace, `${'x'.repeat(200)}${index}`));
  for (const folder of shut) mkdirSync(folder, { mode: 0o000 });
  // Who is not root can only remove what is open to them.
  ends.push(() => {
    for (const folder of shut) chmodSync(folder, 0o700);
  });
  const { getuid, seteuid } = process;
  const isRoot = getuid?.() === 0;
  if (isRoot) seteuid?.(65_534);
  const measuring = bytesBelow(workspace, new AbortController().signal);
  if (isRoot) seteuid?.(0);
  expect(await measuring).toBeGreaterThan(1024 ** 2);
});
