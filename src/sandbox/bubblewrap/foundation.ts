import { existsSync } from 'node:fs';
import { createWatch, type Watch } from '../shared/watch.ts';
import { openWorkFolder, refuseWorkFolder } from '../shared/work-folder.ts';
import type { CgroupTree } from './cgroup-tree.ts';
import { findCgroups } from './find-cgroups.ts';
import { bwrapMissing } from './messages.ts';
import { type SharedFiles, sharedFiles } from './shared-files.ts';
import { createSlots, type Slots } from './slots.ts';

/** What all walls of this process stand on; laid once, at the first need. */
export interface Foundation {
  readonly bwrap: string;
  readonly shared: SharedFiles;
  readonly cgroups: CgroupTree;
  readonly slots: Slots;
  readonly watch: Watch;
  /** Its real path. */
  readonly workDir: string;
}

export async function layFoundation(workDir: string, slotsToKeep: number): Promise<Foundation> {
  const bwrap = findBwrap();
  if (bwrap === undefined) throw bwrapMissing();
  const folder = await openWorkFolder(workDir);
  const laying = sharedFiles(folder).catch((error) => refuseWorkFolder(folder, error));
  const [shared, cgroups] = await Promise.all([laying, findCgroups()]);
  return {
    bwrap,
    workDir: folder,
    shared,
    cgroups,
    slots: createSlots(folder, cgroups, slotsToKeep),
    watch: createWatch(folder),
  };
}

/** Not by PATH: what builds the wall is not chosen by the environment. */
export function findBwrap(): string | undefined {
  return ['/usr/bin/bwrap', '/usr/local/bin/bwrap', '/bin/bwrap', '/run/current-system/sw/bin/bwrap'].find(existsSync);
}
