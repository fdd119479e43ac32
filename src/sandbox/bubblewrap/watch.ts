import { type StatsFs, statfsSync } from 'node:fs';
import type { WallLimits } from '../../contracts/sandbox.ts';
import { bytesBelow, bytesDeletedButOpen, inodesBelow } from './disk-usage.ts';

/** A wall that runs, and whom to tell. */
export interface Watched {
  readonly workspace: string;
  readonly pidOfInit: number;
  readonly limits: Pick<WallLimits, 'workspaceBytes' | 'workspaceInodes'>;
  readonly onDiskLimit: () => void;
  /** Called at every look: for what costs next to nothing. */
  readonly onLook: () => void;
}

/** Looks after the disk below all walls that run, four times a second, as long as one does. */
export interface Watch {
  /** Returns how to end it. */
  add(watched: Watched): () => void;
}

const MiB = 1024 ** 2;
const lookEveryMs = 250;
/** The figure of the whole disk must have moved by so much (or an eighth of the limit) before a workspace is measured. */
const noticeable = { bytes: 16 * MiB, inodes: 2_000 };
/** Measured anyway after so long: what others delete may hide what this one writes. */
const measureAfterMs = 30_000;
/** Measuring takes at most a tenth of the time, however many files there are. */
const restFactor = 10;
/** What must stay free on the disk; where less was free at the start, half of that. */
const floor = { bytes: 1024 * MiB, inodes: 20_000 };

interface Figures {
  readonly bytes: number;
  readonly inodes: number;
}

export function createWatch(workDir: string): Watch {
  const looks = new Set<(free: Figures) => void>();
  const state: { timer: NodeJS.Timeout | undefined } = { timer: undefined };
  // One call into the kernel, for all walls together; a hop through the thread pool costs more.
  const freeNow = () => freeOf(statfsSync(workDir));
  const lookAtAll = () => {
    const free = freeNow();
    for (const look of looks) look(free);
  };
  return {
    add: (watched) => {
      const { look, stop } = lookAfter(watched, freeNow());
      looks.add(look);
      state.timer ??= setInterval(lookAtAll, lookEveryMs).unref();
      return () => {
        stop();
        looks.delete(look);
        if (looks.size > 0) return;
        clearInterval(state.timer);
        state.timer = undefined;
      };
    },
  };
}

/** Some file systems count no inodes: those never run out. */
function freeOf({ bavail, bsize, files, ffree }: StatsFs): Figures {
  return { bytes: bavail * bsize, inodes: files === 0 ? Number.POSITIVE_INFINITY : ffree };
}

function lookAfter({ workspace, pidOfInit, limits, onDiskLimit, onLook }: Watched, atStart: Figures) {
  const ending = new AbortController();
  const noticed = {
    bytes: Math.min(noticeable.bytes, limits.workspaceBytes / 8),
    inodes: Math.min(noticeable.inodes, limits.workspaceInodes / 8),
  };
  const state = {
    measured: atStart,
    measuredAtMs: performance.now(),
    restUntilMs: 0,
  };

  const measure = async (free: Figures, what: { bytes: boolean; inodes: boolean }) => {
    const startedAtMs = performance.now();
    state.restUntilMs = Number.POSITIVE_INFINITY;
    const [named, nameless, inodes] = await Promise.all([
      what.bytes ? bytesBelow(workspace, ending.signal) : 0,
      what.bytes ? bytesDeletedButOpen(pidOfInit, workspace) : 0,
      what.inodes ? inodesBelow(workspace, ending.signal) : 0,
    ]);
    if (ending.signal.aborted) return;
    if (named + nameless > limits.workspaceBytes || inodes > limits.workspaceInodes) onDiskLimit();
    state.measured = free;
    state.measuredAtMs = performance.now();
    state.restUntilMs = state.measuredAtMs + restFactor * (state.measuredAtMs - startedAtMs);
  };

  const look = (free: Figures) => {
    onLook();
    if (isBelowFloor(free, atStart)) return onDiskLimit();
    const now = performance.now();
    if (now < state.restUntilMs) return;
    const isDue = now - state.measuredAtMs > measureAfterMs;
    const what = {
      bytes: isDue || Math.abs(state.measured.bytes - free.bytes) > noticed.bytes,
      inodes: isDue || Math.abs(state.measured.inodes - free.inodes) > noticed.inodes,
    };
    if (what.bytes || what.inodes) void measure(free, what);
  };
  return { look, stop: () => ending.abort() };
}

function isBelowFloor(free: Figures, atStart: Figures): boolean {
  return (
    free.bytes < Math.min(floor.bytes, atStart.bytes / 2) || free.inodes < Math.min(floor.inodes, atStart.inodes / 2)
  );
}
