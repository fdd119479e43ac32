import { readdirSync, readlinkSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { closeInheritedDescriptors } from '../../src/lib/descriptors.ts';
import { makeFolder } from '../../src/lib/make-folder.ts';
import { findCgroups } from '../../src/sandbox/bubblewrap/find-cgroups.ts';
import { takeLease } from '../../src/sandbox/bubblewrap/lease.ts';
import { takeSlot } from '../../src/sandbox/bubblewrap/slot.ts';
import { layGround } from '../../src/sandbox/cloud-run-launcher/ground.ts';
import { isRoot, newWorkFolder } from './open.ts';

/** What cannot be made to its end is not left half. */

const workDir = newWorkFolder();
beforeAll(closeInheritedDescriptors);
afterAll(() => rmSync(workDir, { recursive: true, force: true }));

/** The kernel takes no longer path, its last NUL included. */
const pathBytesMax = 4096;

/** A folder whose slots are made up to their last file, which lies too deep. */
function tooDeep(): string {
  const nameOfSlot = isRoot ? 'runyard-uid-60000' : `runyard-${process.getuid?.()}-slot-0`;
  const bytes = pathBytesMax - 1 - `/${nameOfSlot}/given/stdin`.length;
  let folder = workDir;
  while (bytes - folder.length > 1) {
    const most = Math.min(200, bytes - folder.length - 1);
    // One character alone would have no room for its slash.
    folder = join(folder, 'x'.repeat(bytes - folder.length - 1 - most === 1 ? most - 1 : most));
  }
  makeFolder(folder, 0o711);
  return folder;
}

/** One that somebody holds may have been made meanwhile, by a runner that has nothing to do with this. */
async function isNobodys(group: string): Promise<boolean> {
  const lease = await takeLease(basename(group));
  await lease?.release();
  return lease !== undefined;
}

function openPaths(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      return []; // That of the listing itself.
    }
  });
}

test('a slot that cannot be made leaves no descriptor, no folder and no group behind', async () => {
  const cgroups = await findCgroups();
  const groups = () =>
    [...new Set(Object.values(cgroups.parents))].flatMap((parent) =>
      readdirSync(parent)
        .filter((name) => /^runyard-(uid|\d+-slot)-/.test(name))
        .map((name) => `${parent}/${name}`),
    );
  const deep = tooDeep();
  const before = groups();
  await expect(takeSlot(deep, cgroups)).rejects.toMatchObject({ code: 'ENAMETOOLONG' });
  expect(openPaths().filter((path) => path.includes(workDir))).toEqual([]);
  expect(readdirSync(deep)).toEqual([]);
  const made = groups().filter((group) => !before.includes(group));
  expect((await Promise.all(made.map(isNobodys))).filter(Boolean)).toEqual([]);
});

test('a place of the launcher that cannot be made is not waited for when its process leaves', async () => {
  const ground = await layGround({ workDir, nodePath: process.execPath, launcherPath: '/nowhere', slots: 0 });
  await expect(ground.makeWallFolder('x'.repeat(300))).rejects.toMatchObject({ code: 'ENAMETOOLONG' });
  await ground.leave();
  expect(readdirSync(workDir).filter((name) => name.startsWith('launcher-'))).toEqual([]);
});
