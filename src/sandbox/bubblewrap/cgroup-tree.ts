import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Controllers a wall is limited by, where this machine lets us. */
export const controllers = ['memory', 'pids', 'cpu'] as const;
export type Controller = (typeof controllers)[number];

/** Folder below which a wall's group can be made, for each controller that is ours to use. */
export interface CgroupTree {
  readonly version: 1 | 2;
  readonly parents: Readonly<Partial<Record<Controller, string>>>;
}

/** Folders below which groups may be made, or not: none of them has been tried. */
export interface Candidates {
  readonly one: Partial<Record<Controller, string>>;
  readonly two: readonly string[];
}

export async function ownCandidates(): Promise<Candidates> {
  const [groups, mounts] = await Promise.all([
    readFile('/proc/self/cgroup', 'utf8').catch(() => ''),
    readFile('/proc/self/mountinfo', 'utf8'),
  ]);
  return candidates(groups, mounts);
}

/**
 * Our own group of each version 1 controller, and for version 2 our own and those above it, nearest first: a group
 * that holds processes cannot hand controllers down, one above it may.
 */
export function candidates(groups: string, mountinfo: string): Candidates {
  const mounts = mountinfo.split('\n').flatMap(parseMount);
  const one: Partial<Record<Controller, string>> = {};
  const two: string[] = [];
  for (const line of groups.trim().split('\n')) {
    const [, names = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    for (const mount of mounts) {
      const folder = folderOf(mount, path);
      if (folder === undefined) continue;
      if (names === '' && mount.type === 'cgroup2') two.push(...upTo(folder, mount.point));
      for (const controller of controllers) {
        const isMounted = mount.type === 'cgroup' && mount.options.includes(controller);
        if (isMounted && names.split(',').includes(controller)) one[controller] = folder;
      }
    }
  }
  return { one, two };
}

interface CgroupMount {
  readonly root: string;
  readonly point: string;
  readonly type: string;
  readonly options: readonly string[];
}

function parseMount(line: string): CgroupMount[] {
  const [before = '', after = ''] = line.split(' - ');
  const [, , , root = '', point = ''] = before.split(' ');
  const [type = '', , options = ''] = after.split(' ');
  return type.startsWith('cgroup') ? [{ root, point, type, options: options.split(',') }] : [];
}

/** A mount may show a part of the tree only; a path outside of that part cannot be reached through it. */
function folderOf({ root, point }: CgroupMount, path: string): string | undefined {
  const prefix = root === '/' ? '' : root;
  if (path !== prefix && !path.startsWith(`${prefix}/`)) return undefined;
  return (point + path.slice(prefix.length)).replace(/\/$/, '');
}

function upTo(folder: string, top: string): string[] {
  return folder === top || folder.length <= top.length ? [folder] : [folder, ...upTo(dirname(folder), top)];
}
