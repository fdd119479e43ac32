import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type Wall, wallPaths } from '../../src/contracts/sandbox.ts';
import { closeInheritedDescriptors } from '../../src/lib/descriptors.ts';
import { findCgroups } from '../../src/sandbox/bubblewrap/find-cgroups.ts';
import { createBubblewrap } from '../../src/sandbox/bubblewrap/index.ts';
import { probeSandbox } from '../../src/sandbox/detect.ts';
import { sandboxEndsContract } from './sandbox-ends-suite.ts';
import { runIn } from './sandbox-harness.ts';
import { sandboxLimitsContract } from './sandbox-limits-suite.ts';
import { sandboxContract } from './sandbox-suite.ts';

const base = mkdtempSync(join(tmpdir(), 'runyard-wall-'));
const workDir = join(base, 'work');
const options = { workDir, nodePath: process.execPath, slots: 2 };
const sandbox = createBubblewrap(options);
const cgroups = await findCgroups();
const isRoot = process.getuid?.() === 0;

beforeAll(() => {
  closeInheritedDescriptors();
  // mkdtemp makes it 0700; as root the walls' own users must get through.
  chmodSync(base, 0o711);
});

afterAll(async () => {
  await sandbox.close();
  rmSync(base, { recursive: true });
});

sandboxContract('bubblewrap', () => sandbox);
sandboxEndsContract('bubblewrap', () => sandbox);
sandboxLimitsContract('bubblewrap', () => sandbox, { counted: cgroups.parents.memory !== undefined });

/** By inode: another runner may take the same name the moment it is free. */
const groupsOf = (names: readonly string[]) =>
  Object.values(cgroups.parents)
    .flatMap((parent) => names.map((name) => `${parent}/${name}`))
    .filter((path) => existsSync(path))
    .map((path) => `${path} ${statSync(path).ino}`);
const ownFolders = (path: string) => readdirSync(path).filter((name) => name.startsWith('runyard-'));

test('nothing is left of walls that ran, walls that waited, and what they were shown', async () => {
  const elsewhere = join(base, 'elsewhere');
  const other = createBubblewrap({ ...options, workDir: elsewhere, slots: 3 });
  other.warm();
  await runIn(other, { bash: 'mkdir -p a/b; chmod 000 a; ln -s / root; mkfifo output/fifo; touch /tmp/x' });
  const names = ownFolders(elsewhere);
  const groups = groupsOf(names);
  expect(names.length).toBeGreaterThan(0);
  expect(groups.length > 0).toBe(Object.keys(cgroups.parents).length > 0);
  await other.close();
  expect(ownFolders(elsewhere)).toEqual([]);
  const now = groupsOf(names);
  expect(groups.filter((group) => now.includes(group))).toEqual([]);
});

test('nothing is left of calls that were given up while their wall was built, nor of a wall that outlives its sandbox', async () => {
  const elsewhere = join(base, 'given-up');
  const other = createBubblewrap({ ...options, workDir: elsewhere, slots: 1 });
  const outliving = await other.enter({ door: false, signal: AbortSignal.timeout(40_000) });
  const endings: string[] = [];
  for (const afterMs of [0, 5, 20, 60]) {
    const entering = other.enter({ door: true, signal: AbortSignal.timeout(afterMs) });
    endings.push(await entering.then(built, (error: Error) => error.name));
  }
  // At once it is always too early; on a quick machine a wall may be built before the later moments come.
  expect(endings[0]).toBe('TimeoutError');
  expect(endings.every((ending) => ['TimeoutError', 'built'].includes(ending))).toBe(true);
  await other.close();
  expect(ownFolders(elsewhere)).toHaveLength(1);
  await outliving.remove();
  expect(ownFolders(elsewhere)).toEqual([]);
});

async function built(wall: Wall): Promise<string> {
  await wall.remove();
  return 'built';
}

test('a wall that died while it waited is never handed out', async () => {
  const elsewhere = join(base, 'waiting');
  const other = createBubblewrap({ ...options, workDir: elsewhere, slots: 1 });
  other.warm();
  await vi.waitFor(() => expect(pidsOfWalls(ownFolders(elsewhere))).not.toEqual([]), { timeout: 20_000 });
  // Time to get ready; killed earlier, while it is built, it is not handed out either.
  await delay(300);
  const killed = pidsOfWalls(ownFolders(elsewhere));
  for (const pid of killed) process.kill(pid, 'SIGKILL');
  await vi.waitFor(() => expect(killed.filter((pid) => existsSync(`/proc/${pid}`))).toEqual([]), { timeout: 20_000 });
  expect((await runIn(other, { argv: ['echo', 'alive'] })).stdout).toBe('alive\n');
  await other.close();
  expect(ownFolders(elsewhere)).toEqual([]);
});

/** Of every process that was started for one of these slots, by its argument list. */
function pidsOfWalls(names: readonly string[]): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) => names.some((name) => cmdlineOf(pid).endsWith(`/runyard/init\0${name}\0`))).map(Number);
}

function cmdlineOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    // It has ended meanwhile.
    return '';
  }
}

test('what a killed runner left is deleted by the next', async () => {
  const elsewhere = join(base, 'abandoned');
  const left = isRoot ? 'runyard-uid-61183' : `runyard-${process.getuid?.()}-slot-605`;
  mkdirSync(join(elsewhere, left, 'workspace/secret'), { recursive: true });
  chmodSync(elsewhere, 0o711);
  const next = createBubblewrap({ ...options, workDir: elsewhere, slots: 0 });
  next.warm();
  await next.close();
  expect(existsSync(join(elsewhere, left))).toBe(false);
});

test.skipIf(!isRoot)('node is shown inside also where other users cannot get at it (as root only)', async () => {
  const home = join(base, 'home');
  mkdirSync(home, { mode: 0o700 });
  copyFileSync(process.execPath, join(home, 'node'));
  const closed = createBubblewrap({ workDir, nodePath: join(home, 'node'), slots: 0 });
  try {
    for (const _ of ['copied', 'found again']) {
      const { stdout, stderr } = await runIn(closed, { argv: [wallPaths.node, '-p', '6 * 7'] });
      expect({ stdout, stderr }).toEqual({ stdout: '42\n', stderr: '' });
    }
    expect(readdirSync(join(workDir, 'bin')).filter((name) => /^[0-9a-f]{64}$/.test(name))).toHaveLength(1);
  } finally {
    await closed.close();
  }
});

test.skipIf(!isRoot)(
  'a work folder that other users cannot reach is refused with the way out (as root only)',
  async () => {
    const home = join(base, 'shut');
    mkdirSync(home, { mode: 0o700 });
    const shut = createBubblewrap({ ...options, workDir: join(home, 'work') });
    await expect(shut.enter({ door: false, signal: AbortSignal.timeout(40_000) })).rejects.toMatchObject({
      code: 'sandbox_unavailable',
      message: expect.stringContaining(home),
      hint: expect.stringContaining('RUNYARD_WORK'),
    });
    await shut.close();
  },
);

test('the probe tries each part and says what is missing', async () => {
  const findings = await probeSandbox('auto', { ...options, claudePath: '/no/such/claude' });
  const states = Object.fromEntries(findings.map(({ subject, state }) => [subject, state]));
  expect(states).toMatchObject({ bubblewrap: 'ok', wall: 'ok', 'node inside': 'ok', 'claude inside': 'missing' });
  expect(states.limits).toBe(cgroups.parents.memory === undefined ? 'limited' : 'ok');
  for (const { state, remedy } of findings) if (state !== 'ok') expect(remedy).toMatch(/\w/);
});
