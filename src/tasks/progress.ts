import type { Store } from '../contracts/store.ts';
import type { RunResult, TaskRecord } from '../contracts/task.ts';
import type { TaskView } from '../contracts/task-service.ts';
import { finish } from './finish.ts';
import { anyRunIsClaimed, readResult, runsWithResult } from './objects.ts';

/** How far the runs of a task are. */
export interface Progress {
  /** The runs that have a result. */
  readonly ended: ReadonlySet<number>;
  /** Of a task with one run, which the look itself has read. */
  readonly result?: RunResult;
}

/** The cheapest look there is: one read where the task has one run, one listing where it has more. */
export async function lookAt(store: Store, record: TaskRecord): Promise<Progress> {
  if (record.runs > 1) return { ended: await runsWithResult(store, record.id) };
  const result = await readResult(store, record.id, 0);
  return result === undefined ? { ended: new Set() } : { ended: new Set([0]), result };
}

export function allEnded({ runs }: TaskRecord, { ended }: Progress): boolean {
  return ended.size >= runs;
}

/** What the store says of a task that is this far. One whose runs have all ended is finished first. */
export async function viewOf(store: Store, record: TaskRecord, progress: Progress): Promise<TaskView> {
  if (allEnded(record, progress)) return finish(store, record, progress.result);
  const running = progress.ended.size > 0 || (await anyRunIsClaimed(store, record));
  return { record, status: running ? 'running' : 'queued', runsEnded: progress.ended.size };
}
