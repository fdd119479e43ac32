import { type StatsFs, statfsSync } from 'node:fs';
import type { WallLimits } from '../../contracts/sandbox.ts';
import { warnOnce } from '../../lib/warn-once.ts';
import { bytesBelow, bytesDeletedButOpen, inodesBelow } from './disk-usage.ts';

/** A wall that runs, and whom to tell. */
export interface Watched {
  readonly workspace: string;
  /** All that may hold files of the workspace open, as the host counts. */
  readonly processes: () => Promise<readonly string[]>;
  readonly limits: Pick<WallLimits, 'workspaceBytes' | 'workspaceInodes'>;
  readonly onDiskLimit: () => void;
  /** Called at every look: for what costs next to nothing. */
  readonly onLook: () => void;
}

/** Looks after the disk below all walls that run, ten times a second, as long as one does. */
export interface Watch {
  /** Returns how to end it. */
  add(watched: Watched): () => void;
}

const lookEveryMs = 100;
/** What must stay free on the disk; where less was free at the start, half of that. */
const floor = { bytes: 1024 ** 3, inodes: 20_000 };

interface Figures {
  readonly bytes: number;
  readonly inodes: number;
}

export function createWatch(workDir: string): Watch {
  const looks = new Set<(free: Figures) => void>();
  const state: { timer: NodeJS.Timeout | undefined } = { timer: undefined };
  // One call into the kernel, for all walls together; a hop through the thread pool costs more.
  const freeNow = () => freeOf(statfsSync(workDir));
  const warn = warnOnce('after the disk');
  /** Nobody would hear of what fails here, and the next look is a tenth of a second away. */
  const lookAtAll = () => {
    try {
      const free = freeNow();
      for (const look of looks) look(free);
    } catch (error) {
      warn(error);
    }
  };
  return {
    add: (watched) => {
      const { look, stop } = lookAfter(watched, freeNow(), warn);
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

function lookAfter(
  { workspace, processes, limits, onDiskLimit, onLook }: Watched,
  atStart: Figures,
  warn: (error: unknown) => void,
) {
  const ending = new AbortController();
  const { signal } = ending;
  const tell = () => {
    if (!signal.aborted) onDiskLimit();
  };
  const usedBytes = async () => {
    const named = await bytesBelow(workspace, signal);
    // Whoever is over it by name need not be searched.
    return named > limits.workspaceBytes ? named : named + (await bytesDeletedButOpen(await processes(), workspace));
  };
  const unlessFailed = (measure: () => Promise<number>) => () =>
    measure().catch((error: unknown) => {
      if (!signal.aborted) warn(error);
      return undefined;
    });
  const bytes = createGauge(atStart.bytes, limits.workspaceBytes, tell, unlessFailed(usedBytes));
  const usedInodes = unlessFailed(() => inodesBelow(workspace, signal));
  const inodes = createGauge(atStart.inodes, limits.workspaceInodes, tell, usedInodes);
  const look = (free: Figures) => {
    onLook();
    if (isBelowFloor(free, atStart)) return tell();
    bytes(free.bytes);
    inodes(free.inodes);
  };
  return { look, stop: () => ending.abort() };
}

function isBelowFloor(free: Figures, atStart: Figures): boolean {
  return (
    free.bytes < Math.min(floor.bytes, atStart.bytes / 2) || free.inodes < Math.min(floor.inodes, atStart.inodes / 2)
  );
}

/** Measured anyway after so long: what others delete in the same moment hides what this one writes. */
const measureAfterMs = 10_000;
/** Measuring takes at most a fifth of the time, however many files there are. */
const restFactor = 4;

/**
 * Measures only when it can have happened: a wall that used U of its limit L when it was measured is not over it
 * before the whole disk has lost L - U. What the disk gains meanwhile is somebody's deleting, and does not count.
 */
function createGauge(freeAtStart: number, limit: number, tell: () => void, measure: () => Promise<number | undefined>) {
  const state = { free: freeAtStart, lost: 0, used: 0, measuredAtMs: performance.now(), restUntilMs: 0 };
  const measureNow = async () => {
    const startedAtMs = performance.now();
    state.restUntilMs = Number.POSITIVE_INFINITY;
    const { lost } = state;
    state.lost = 0;
    const used = await measure();
    const measuredAtMs = performance.now();
    const restUntilMs = measuredAtMs + restFactor * (measuredAtMs - startedAtMs);
    // Nothing is known then: what was lost before it counts on.
    if (used === undefined) return void Object.assign(state, { lost: state.lost + lost, restUntilMs });
    if (used > limit) tell();
    Object.assign(state, { used, measuredAtMs, restUntilMs });
  };
  return (free: number) => {
    state.lost += Math.max(0, state.free - free);
    state.free = free;
    const now = performance.now();
    if (now < state.restUntilMs) return;
    const canBeOver = state.lost >= limit - state.used;
    if (canBeOver || now - state.measuredAtMs > measureAfterMs) void measureNow();
  };
}
