import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Sandbox } from '../../src/contracts/sandbox.ts';
import { closeInheritedDescriptors } from '../../src/lib/descriptors.ts';
import { createBubblewrap } from '../../src/sandbox/bubblewrap/index.ts';
import { probeSandbox } from '../../src/sandbox/detect.ts';
import { runIn } from './sandbox-harness.ts';

const base = mkdtempSync(join(tmpdir(), 'runyard-work-folder-'));
const isRoot = process.getuid?.() === 0;

beforeAll(() => {
  closeInheritedDescriptors();
  chmodSync(base, 0o711);
  writeFileSync(join(base, 'file'), '');
});
afterAll(() => rmSync(base, { recursive: true }));

const optionsOf = (workDir: string) => ({ workDir, nodePath: process.execPath, slots: 1 });

async function refusalOf(sandbox: Sandbox): Promise<unknown> {
  const entering = sandbox.enter({ door: false, signal: AbortSignal.timeout(20_000) });
  return entering.then(
    () => 'a wall was built',
    (error: unknown) => error,
  );
}

const refusal = (folder: string, reason: RegExp) => ({
  code: 'sandbox_unavailable',
  message: expect.stringMatching(new RegExp(`The work folder ${folder} cannot be used: .*${reason.source}`)),
  hint: expect.stringContaining('RUNYARD_WORK'),
});

test.each([
  ['below /proc', '/proc/nowhere/work', /no folder can be made there/],
  ['in /proc', '/proc/nowhere', /no folder can be made there/],
  ['/proc itself', '/proc', /no folder can be made there|other users/],
  ['below a file', join(base, 'file/work'), /no folder/],
  ['that is a file', join(base, 'file'), /no folder/],
])('a work folder %s is refused by its name, at once and at every call', async (_, workDir, reason) => {
  const sandbox = createBubblewrap(optionsOf(workDir));
  sandbox.warm();
  for (const _again of ['at the first call', 'at the second']) {
    expect(await refusalOf(sandbox)).toMatchObject(refusal(workDir, reason));
  }
  await sandbox.close();
});

test('the doctor names it too', async () => {
  const workDir = join(base, 'file/work');
  const findings = await probeSandbox('auto', optionsOf(workDir));
  expect(findings.find(({ subject }) => subject === 'work folder')).toMatchObject({
    state: 'missing',
    detail: expect.stringContaining(workDir),
    remedy: expect.stringContaining('RUNYARD_WORK'),
  });
});

/** A disk of its own, small enough to be filled. */
async function onDisk(name: string, look: (disk: string) => Promise<void>): Promise<void> {
  const disk = join(base, name);
  mkdirSync(disk);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m,mode=711', 'tmpfs', disk]);
  try {
    await look(disk);
  } finally {
    execFileSync('umount', ['-l', disk]);
  }
}

test.skipIf(!isRoot)(
  'a work folder on a read-only disk is refused, also by a wall that is ready (needs root to mount one)',
  async () => {
    await onDisk('read-only', async (disk) => {
      const workDir = join(disk, 'work');
      const sandbox = createBubblewrap(optionsOf(workDir));
      expect((await runIn(sandbox, { argv: ['echo', 'written'] })).stdout).toBe('written\n');
      execFileSync('mount', ['--bind', disk, disk]);
      execFileSync('mount', ['-o', 'remount,ro,bind', disk]);
      try {
        expect(await refusalOf(sandbox)).toMatchObject(refusal(workDir, /its disk is read-only/));
        for (const other of [workDir, join(disk, 'new')]) {
          expect(await refusalOf(createBubblewrap(optionsOf(other)))).toMatchObject(
            refusal(other, /its disk is read-only/),
          );
        }
      } finally {
        execFileSync('umount', ['-l', disk]);
      }
      await sandbox.close();
    });
  },
);

test.skipIf(!isRoot)(
  'a work folder on a full disk is refused, and serves again once there is room (needs root to mount one)',
  async () => {
    await onDisk('full', async (disk) => {
      const workDir = join(disk, 'work');
      const sandbox = createBubblewrap(optionsOf(workDir));
      expect((await runIn(sandbox, { argv: ['echo', 'room'] })).stdout).toBe('room\n');
      spawnSync('dd', ['if=/dev/zero', `of=${disk}/filler`, 'bs=1M']);
      expect(await refusalOf(sandbox)).toMatchObject(refusal(workDir, /its disk is full/));
      for (const other of [workDir, join(disk, 'new')]) {
        expect(await refusalOf(createBubblewrap(optionsOf(other)))).toMatchObject(refusal(other, /its disk is full/));
      }
      rmSync(join(disk, 'filler'));
      expect((await runIn(sandbox, { argv: ['echo', 'room again'] })).stdout).toBe('room again\n');
      await sandbox.close();
    });
  },
);
