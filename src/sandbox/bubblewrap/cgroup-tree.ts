import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { WallLimits } from '../../contracts/sandbox.ts';
import { type Cgroup, makeCgroup } from './cgroup.ts';

/** Controllers a wall is limited by, where this machine lets us. */
export const controllers = ['memory', 'pids', 'cpu'] as const;
export type Controller = (typeof controllers)[number];

/** Folder below which a wall's group can be made, for each controller that is ours to use. */
export interface CgroupTree {
  readonly version: 1 | 2;
  readonly parents: Readonly<Partial<Record<Controller, string>>>;
}

/** Where groups can really be made and entered by us: tried with a process, not believed. Empty where nowhere. */
export async function findCgroups(): Promise<CgroupTree> {
  const [groups, mounts] = await Promise.all([
    readFile('/proc/self/cgroup', 'utf8').catch(() => ''),
    readFile('/proc/self/mountinfo', 'utf8'),
  ]);
  const { one, two } = candidates(groups, mounts);
  for (const parent of two) {
    const tree: CgroupTree = { version: 2, parents: { memory: parent, pids: parent, cpu: parent } };
    if (await canBeUsed(tree)) return tree;
    const withoutCpu: CgroupTree = { version: 2, parents: { memory: parent, pids: parent } };
    if (await canBeUsed(withoutCpu)) return withoutCpu;
  }
  const tried = await Promise.all(
    controllers.map(async (controller) => {
      const parent = one[controller];
      if (parent === undefined) return {};
      return (await canBeUsed({ version: 1, parents: { [controller]: parent } })) ? { [controller]: parent } : {};
    }),
  );
  return { version: 1, parents: Object.assign({}, ...tried) };
}

/**
 * Our own group of each version 1 controller, and for version 2 our own and those above it, nearest first: a group
 * that holds processes cannot hand controllers down, one above it may.
 */
export function candidates(
  groups: string,
  mountinfo: string,
): { one: Partial<Record<Controller, string>>; two: string[] } {
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

const harmlessLimits: WallLimits = {
  memoryBytes: 64 * 1024 ** 2,
  processes: 16,
  cpus: 1,
  workspaceBytes: 0,
  workspaceInodes: 0,
};

async function canBeUsed(tree: CgroupTree): Promise<boolean> {
  const name = `runyard-try-${process.pid}`;
  const child = spawn('sleep', ['5'], { env: { PATH: '/usr/bin:/bin' }, stdio: 'ignore' });
  const ended = once(child, 'exit');
  const groups: Cgroup[] = [];
  try {
    const group = await makeCgroup(tree, name);
    groups.push(group);
    await group.limit(harmlessLimits);
    await group.enter(child.pid!);
    return true;
  } catch {
    // Whatever the kernel or the permissions object to: this place is of no use to us.
    return false;
  } finally {
    child.kill('SIGKILL');
    await ended;
    for (const group of groups) await group.remove();
  }
}
