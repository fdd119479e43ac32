import { readdir, stat } from 'node:fs/promises';
import { getuid } from 'node:process';
import { removeGroup } from './cgroup.ts';
import { ownCandidates } from './cgroup-tree.ts';

/** Groups of our own that lie below the places we may make them in, by name: those in use and those of dead runners. */
export type Groups = ReadonlyMap<string, readonly string[]>;

export async function groupsThatAre(): Promise<Groups> {
  const { one, two } = await ownCandidates();
  const groups = new Map<string, string[]>();
  for (const parent of new Set([...Object.values(one), ...two])) {
    for (const name of await ourNames(parent)) groups.set(name, [...(groups.get(name) ?? []), `${parent}/${name}`]);
  }
  return groups;
}

/** Removes every group of that name. The caller holds its lease, and has ended who was inside. */
export async function removeGroups(groups: Groups, name: string): Promise<void> {
  for (const folder of groups.get(name) ?? []) await removeGroup(folder);
}

async function ourNames(parent: string): Promise<string[]> {
  const names = await readdir(parent).catch(unlessShut);
  const ours: string[] = [];
  for (const name of names.filter((candidate) => candidate.startsWith('runyard-'))) {
    // Another user's group is theirs to remove; one that is gone meanwhile was removed.
    const stats = await stat(`${parent}/${name}`).catch(() => undefined);
    if (stats?.uid === getuid!()) ours.push(name);
  }
  return ours;
}

/** A mount that shows another part of the tree, or a folder that is not ours to look into, holds nothing of ours. */
function unlessShut(error: NodeJS.ErrnoException): string[] {
  if (error.code === 'ENOENT' || error.code === 'EACCES') return [];
  throw error;
}
