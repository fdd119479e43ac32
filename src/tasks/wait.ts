import { taskCreatedAtMs } from '../contracts/ids.ts';
import type { RunnerHint } from '../contracts/runner-channel.ts';
import type { TaskRecord } from '../contracts/task.ts';
import type { Noticing, WaitOptions } from '../contracts/task-service.ts';
import type { Pace } from '../lib/pace.ts';
import { withinTime } from '../lib/within-time.ts';
import type { Hints } from './hints.ts';
import type { Progress } from './progress.ts';

/** Waiting for something that happens to a task: at news it is looked for at once, without news at the server's pace. */

export interface Waiting {
  readonly hints: Hints;
  readonly noticing: Noticing;
  /** Of all looks of this server for which there was no news. */
  readonly looks: Pace;
  /** Brings the task nearer to its truth, where that is due. */
  readonly settle: (record: TaskRecord, progress: Progress | undefined) => Promise<Settled>;
}

export interface Settled {
  /** Whether something was written that a look would see. */
  readonly news: boolean;
  /** What it asked of the store. */
  readonly reads: number;
}

export interface Goal {
  /** Looks. It is looked until this is true. */
  readonly isReached: () => Promise<boolean>;
  /** Whether such news is worth a look. */
  readonly isNews: (hint: RunnerHint) => boolean;
  /** What one look asks of the store. */
  readonly readsPerLook: number;
  /** What the last look saw of the whole task, where it saw it. */
  readonly progress?: Progress | undefined;
}

/** Resolves when the goal is reached, or after one last look at the deadline or when the signal is aborted. */
export async function waitFor(
  { hints, noticing, looks, settle }: Waiting,
  record: TaskRecord,
  { waitMs, signal }: WaitOptions,
  goal: Goal,
): Promise<void> {
  const deadlineMs = performance.now() + waitMs;
  const leftMs = () => Math.max(0, deadlineMs - performance.now());
  const watch = hints.watch(record.id, goal.isNews);
  // Whoever waits has read the task's record.
  let reads = 1;
  try {
    let isReached = await goal.isReached();
    while (!isReached && leftMs() > 0 && !signal.aborted) {
      // A backend that takes long to answer holds up nobody beyond their own deadline: what it says then is for the next look.
      const settled = (await withinTime(settle(record, goal.progress), leftMs(), signal)) ?? nothingYet;
      reads += goal.readsPerLook + settled.reads;
      const gapMs = settled.news ? 0 : gapAfter(reads, record, noticing);
      const heard = await watch.next(Math.min(gapMs, leftMs()), signal);
      isReached = await (heard ? goal.isReached() : looks.inTurn(goal.isReached, leftMs(), signal));
      reads = 0;
    }
  } finally {
    watch.close();
  }
}

const nothingYet: Settled = { news: false, reads: 0 };

/** What happens to an old task is noticed later, but by no more than a twentieth of its age. */
const gapsOfAge = 20;

/** The more was read, the later the next look: so many reads a second stay the most, whatever they were for. */
function gapAfter(reads: number, { id }: TaskRecord, { firstLookMs, maxLookMs }: Noticing): number {
  const ageMs = Date.now() - taskCreatedAtMs(id);
  return Math.min(maxLookMs, Math.max(firstLookMs * reads, ageMs / gapsOfAge));
}

/** When the backend may be asked about a task, whoever wants to know: seldom, and the more seldom the older the task. */
export interface Inspections {
  /** Whether it is time; if so, it counts as done. */
  areDue(record: TaskRecord): boolean;
}

export function createInspections({ firstInspectionMs, maxInspectionMs }: Noticing): Inspections {
  /** Oldest first. */
  const lastAtMs = new Map<string, number>();

  const forgetOld = (nowMs: number) => {
    for (const [id, atMs] of lastAtMs) {
      if (nowMs - atMs < maxInspectionMs) return;
      lastAtMs.delete(id);
    }
  };

  return {
    areDue({ id }) {
      const nowMs = Date.now();
      const ageMs = nowMs - taskCreatedAtMs(id);
      const gapMs = Math.min(Math.max(ageMs, firstInspectionMs), maxInspectionMs);
      const last = lastAtMs.get(id);
      // A young task is in the hands of whoever submitted it.
      if (ageMs < firstInspectionMs || (last !== undefined && nowMs - last < gapMs)) return false;
      forgetOld(nowMs);
      lastAtMs.delete(id);
      lastAtMs.set(id, nowMs);
      return true;
    },
  };
}
