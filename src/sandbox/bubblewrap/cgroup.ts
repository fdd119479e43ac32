import { closeSync, openSync, write } from 'node:fs';
import { mkdir, rmdir, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { WallLimits } from '../../contracts/sandbox.ts';
import { readProc } from '../../lib/read-proc.ts';
import type { CgroupTree, Controller } from './cgroup-tree.ts';

/** The kernel's own account of one wall: what it may use, and whether it met a limit. */
export interface Cgroup {
  /** Moves a process, and whatever it will start, into the group. Takes some 10 ms, in the thread pool. */
  enter(pid: number): Promise<void>;
  limit(limits: WallLimits): Promise<void>;
  /** For the next wall, while nobody is inside: these limits, and counters that begin anew. */
  renew(limits: WallLimits): Promise<void>;
  readonly holds: Readonly<Record<Controller, boolean>>;
  /** Processes that the kernel killed because memory ran out. */
  memoryKills(): number;
  /** Times that a process could not be started because there were too many. */
  processRefusals(): number;
  /** Once nobody is inside and no wall will be. */
  remove(): Promise<void>;
}

/** Makes the group in every tree that is there; one of that name left by an ended runner is made anew. */
export async function makeCgroup({ version, parents }: CgroupTree, name: string): Promise<Cgroup> {
  const folderOf = (controller: Controller) => `${parents[controller]}/${name}`;
  const has = (controller: Controller) => parents[controller] !== undefined;
  const folders = [...new Set(Object.values(parents))].map((parent) => `${parent}/${name}`);
  for (const folder of folders) await mkdir(folder).catch((error) => makeAnew(folder, error));
  const files = version === 1 ? filesOfOne : filesOfTwo;
  const state: { held: WallLimits | undefined; kills: number; refusals: number } = {
    held: undefined,
    kills: 0,
    refusals: 0,
  };
  const allKills = () => (has('memory') ? counter(`${folderOf('memory')}/${files.memoryEvents}`, 'oom_kill') : 0);
  const allRefusals = () => (has('pids') ? counter(`${folderOf('pids')}/pids.events`, 'max') : 0);
  const limit = async (limits: WallLimits) => {
    if (state.held === limits) return;
    state.held = undefined;
    for (const { controller, file, value, optional } of files.limits(limits)) {
      if (!has(controller)) continue;
      await writeFile(`${folderOf(controller)}/${file}`, value).catch((error) => {
        if (optional !== true) throw error;
      });
    }
    state.held = limits;
  };
  return {
    // One after the other: the second move costs nothing within the grace period of the first, and one thread is held.
    enter: async (pid) => {
      for (const folder of folders) await writeInBackground(`${folder}/cgroup.procs`, String(pid));
    },
    limit,
    renew: async (limits) => {
      await limit(limits);
      state.kills = allKills();
      state.refusals = allRefusals();
    },
    holds: { memory: has('memory'), pids: has('pids'), cpu: has('cpu') },
    memoryKills: () => allKills() - state.kills,
    processRefusals: () => allRefusals() - state.refusals,
    remove: async () => {
      for (const folder of folders) await removeGroup(folder);
    },
  };
}

const writePiece = promisify<number, string, number>(write);

/** Only the write itself waits in the thread pool: opening a file of the kernel's takes microseconds. */
async function writeInBackground(path: string, text: string): Promise<void> {
  const fd = openSync(path, 'w');
  try {
    await writePiece(fd, text);
  } finally {
    closeSync(fd);
  }
}

interface LimitFile {
  readonly controller: Controller;
  readonly file: string;
  readonly value: string;
  /** The kernel may be built without it. */
  readonly optional?: true;
}

/** bwrap and init are counted too. */
const ownProcesses = 2;
const cpuPeriodUs = 100_000;

const filesOfOne = {
  memoryEvents: 'memory.oom_control',
  limits: ({ memoryBytes, processes, cpus }: WallLimits): LimitFile[] => [
    // The second limit is never below the first, also while both change.
    { controller: 'memory', file: 'memory.memsw.limit_in_bytes', value: '-1', optional: true },
    { controller: 'memory', file: 'memory.limit_in_bytes', value: String(memoryBytes) },
    { controller: 'memory', file: 'memory.memsw.limit_in_bytes', value: String(memoryBytes), optional: true },
    { controller: 'pids', file: 'pids.max', value: String(processes + ownProcesses) },
    { controller: 'cpu', file: 'cpu.cfs_period_us', value: String(cpuPeriodUs) },
    { controller: 'cpu', file: 'cpu.cfs_quota_us', value: String(Math.round(cpus * cpuPeriodUs)) },
  ],
};

const filesOfTwo = {
  memoryEvents: 'memory.events',
  limits: ({ memoryBytes, processes, cpus }: WallLimits): LimitFile[] => [
    { controller: 'memory', file: 'memory.max', value: String(memoryBytes) },
    { controller: 'memory', file: 'memory.swap.max', value: '0', optional: true },
    { controller: 'pids', file: 'pids.max', value: String(processes + ownProcesses) },
    { controller: 'cpu', file: 'cpu.max', value: `${Math.round(cpus * cpuPeriodUs)} ${cpuPeriodUs}` },
  ],
};

/** One number of a file of lines `name number`. Read at once: these files are memory, and the answer is waited for. */
function counter(path: string, name: string): number {
  const line = readProc(path)
    .split('\n')
    .find((candidate) => candidate.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1) ?? 0);
}

async function makeAnew(folder: string, error: NodeJS.ErrnoException): Promise<void> {
  if (error.code !== 'EEXIST') throw error;
  await removeGroup(folder);
  await mkdir(folder);
}

const removeTimeoutMs = 2_000;

/** Removes the folder of a group, gone or not. The kernel may count a dead process for a moment longer. */
export async function removeGroup(folder: string): Promise<void> {
  const deadline = Date.now() + removeTimeoutMs;
  for (;;) {
    try {
      return await rmdir(folder);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT') return;
      if (code !== 'EBUSY' || Date.now() > deadline) throw error;
      await delay(10);
    }
  }
}
