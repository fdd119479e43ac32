import { keys } from '../contracts/keys.ts';
import type { Store } from '../contracts/store.ts';
import {
  type RunResult,
  type TaskEnd,
  type TaskOutcome,
  type TaskRecord,
  taskEnd,
  taskOutcome,
} from '../contracts/task.ts';
import type { TaskView } from '../contracts/task-service.ts';
import { concurrently } from '../lib/concurrently.ts';
import { readJson, runsOf } from './objects.ts';
import { readOutcome } from './outcome.ts';
import { createTally } from './status.ts';

/** The end of a task: said once, when all its runs have a result, and read by everybody else. */

/**
 * Says that the task has ended, where nobody has, and takes away what only an unfinished task needs. `result` is that of
 * the only run, where the task has one.
 */
export async function finish(store: Store, record: TaskRecord, result: RunResult | undefined): Promise<TaskView> {
  const end = await readEnd(store, record);
  if (end !== undefined) return viewOfEnd(store, record, end, result);
  const sealedIsGone = store.remove(keys.sealed(record.id));
  const [view] = await Promise.all([sayEnd(store, record, result), sealedIsGone]);
  await store.remove(keys.pending(record.owner, record.id));
  return view;
}

/** The same of a task that is listed as pending. Where its end was said already, a server died before it took that away. */
export async function finishPending(store: Store, record: TaskRecord, result: RunResult | undefined): Promise<void> {
  await finish(store, record, result);
  await store.remove(keys.sealed(record.id));
  await store.remove(keys.pending(record.owner, record.id));
}

/** A task with several runs whose end was said, without a look at its runs; undefined where it was not. */
export async function viewOfFinished(store: Store, record: TaskRecord): Promise<TaskView | undefined> {
  const end = await readEnd(store, record);
  return end === undefined ? undefined : viewOfEnd(store, record, end, undefined);
}

export function readEnd(store: Store, { id }: TaskRecord): Promise<TaskEnd | undefined> {
  return readJson(store, keys.end(id), taskEnd);
}

async function sayEnd(store: Store, record: TaskRecord, result: RunResult | undefined): Promise<TaskView> {
  if (result !== undefined) {
    const tally = createTally(record.kind);
    tally.add(result);
    await persistResults(store, record);
    await store.create(keys.end(record.id), JSON.stringify(tally.end()));
    return viewOfResult(record, result);
  }
  const { end, outcome } = await readOutcome(store, record);
  await persistResults(store, record);
  await store.create(keys.outcome(record.id), JSON.stringify(outcome));
  await store.create(keys.end(record.id), JSON.stringify(end));
  return viewOfOutcome(record, end, outcome);
}

const writesAtOnce = 32;

/** A runner tells of a result as soon as it can be seen; whoever passes it on makes sure of it first. */
async function persistResults(store: Store, record: TaskRecord): Promise<void> {
  await concurrently(runsOf(record), writesAtOnce, (run) => store.persist(keys.result(record.id, run)));
}

async function viewOfEnd(store: Store, record: TaskRecord, end: TaskEnd, result: RunResult | undefined) {
  if (result !== undefined) return viewOfResult(record, result);
  const known = await readJson(store, keys.outcome(record.id), taskOutcome);
  return viewOfOutcome(record, end, known ?? (await readOutcome(store, record)).outcome);
}

function viewOfResult(record: TaskRecord, result: RunResult): TaskView {
  return { record, status: result.status, runsEnded: 1, result };
}

function viewOfOutcome(record: TaskRecord, { status }: TaskEnd, outcome: TaskOutcome): TaskView {
  return { record, status, runsEnded: record.runs, outcome };
}
