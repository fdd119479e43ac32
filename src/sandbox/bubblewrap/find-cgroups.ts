import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { RunyardError } from '../../contracts/errors.ts';
import type { WallLimits } from '../../contracts/sandbox.ts';
import { type Cgroup, makeCgroup } from './cgroup.ts';
import { type CgroupTree, controllers, ownCandidates } from './cgroup-tree.ts';
import { takeLease } from './lease.ts';

/** Begins the name of a group that is made only to see whether one can be made. */
export const trialPrefix = 'runyard-try-';

/**
 * Where groups can really be made and entered by us: tried with a process, not believed. Empty where nowhere. The name
 * of the trial is leased, so that whoever finds its group later knows whether it is still going on.
 */
export async function findCgroups(): Promise<CgroupTree> {
  const name = trialPrefix + randomUUID();
  const lease = await takeLease(name);
  try {
    return await tryCandidates(name);
  } finally {
    await lease?.release();
  }
}

async function tryCandidates(name: string): Promise<CgroupTree> {
  const { one, two } = await ownCandidates();
  for (const parent of two) {
    const tree: CgroupTree = { version: 2, parents: { memory: parent, pids: parent, cpu: parent } };
    if (await canBeUsed(tree, name)) return tree;
    const withoutCpu: CgroupTree = { version: 2, parents: { memory: parent, pids: parent } };
    if (await canBeUsed(withoutCpu, name)) return withoutCpu;
  }
  const tried = await Promise.all(
    controllers.map(async (controller) => {
      const parent = one[controller];
      if (parent === undefined) return {};
      return (await canBeUsed({ version: 1, parents: { [controller]: parent } }, name)) ? { [controller]: parent } : {};
    }),
  );
  return { version: 1, parents: Object.assign({}, ...tried) };
}

const harmlessLimits: WallLimits = {
  memoryBytes: 64 * 1024 ** 2,
  processes: 16,
  cpus: 1,
  workspaceBytes: 0,
  workspaceInodes: 0,
};

async function canBeUsed(tree: CgroupTree, name: string): Promise<boolean> {
  // Ends when this process does, also by SIGKILL: a group with somebody in it cannot be removed.
  const child = spawn('cat', { env: { PATH: '/usr/bin:/bin' }, stdio: ['pipe', 'ignore', 'ignore'] });
  const ended = once(child, 'exit');
  ended.catch(() => undefined);
  if (child.pid === undefined) throw await noProcess(ended);
  const groups: Cgroup[] = [];
  try {
    const group = await makeCgroup(tree, name);
    groups.push(group);
    await group.limit(harmlessLimits);
    await group.enter(child.pid);
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

/** That says nothing of the place: walls without limits must not come of it. */
async function noProcess(ended: Promise<unknown>): Promise<RunyardError> {
  const error: unknown = await ended.catch((reason: unknown) => reason);
  return new RunyardError('sandbox_unavailable', `No process can be started here: ${String(error)}.`, {
    hint: 'Raise "ulimit -u" for the user who starts Runyard, or run fewer tasks at once.',
    cause: error,
  });
}
