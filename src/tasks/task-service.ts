import type { Backend } from '../contracts/backend.ts';
import type { Caller } from '../contracts/caller.ts';
import { RunyardError } from '../contracts/errors.ts';
import { type TaskId, taskCreatedAtMs, taskId } from '../contracts/ids.ts';
import { keys } from '../contracts/keys.ts';
import type { RunnerHint } from '../contracts/runner-channel.ts';
import type { Seal } from '../contracts/seal.ts';
import type { Store } from '../contracts/store.ts';
import type { RunResult, TaskRecord } from '../contracts/task.ts';
import { hasEnded } from '../contracts/task-output.ts';
import type { TaskService, TaskView, WaitOptions } from '../contracts/task-service.ts';
import type { Logger } from '../lib/logger.ts';
import { nextSeqOf, readEventsPage } from './events-page.ts';
import type { Hints, Watch } from './hints.ts';
import { listTasks } from './listing.ts';
import { claimedRuns, readClaim, readLaunches, readRecord } from './objects.ts';
import { cancelUnclaimed, recoverTask } from './recover.ts';
import { finishWhereEnded } from './settle.ts';
import { statusOf } from './status.ts';
import { type Submitting, submitTask } from './submit.ts';

export interface TaskServiceOptions {
  readonly store: Store;
  readonly seal: Seal;
  readonly backend: Backend;
  readonly hints: Hints;
  readonly log: Logger;
  /** Names this server in the store, for people who read it. */
  readonly writer: string;
  readonly retentionMs: number;
}

/** Without news the truth is looked up this often. */
const lookEveryMs = 2000;

/** A young task is in the hands of whoever submitted it; a look need not ask what became of its launch. */
const settledAfterMs = 1000;

export function createTaskService(options: TaskServiceOptions): TaskService {
  const { store, hints } = options;
  const context: Submitting & TaskServiceOptions = options;

  /** The caller's own task; another owner's, a too old one and one that never was give the same answer. */
  const recordOf = async (id: TaskId, caller: Caller): Promise<TaskRecord> => {
    const known = taskId.safeParse(id).success && Date.now() - taskCreatedAtMs(id) <= options.retentionMs;
    const record = known ? await readRecord(store, id) : undefined;
    if (record === undefined || record.owner !== caller.owner)
      throw new RunyardError('not_found', `task_id: there is no task ${id}.`);
    return record;
  };

  const viewOf = async (record: TaskRecord, results: readonly (RunResult | undefined)[]): Promise<TaskView> => {
    const anyClaimed = results.includes(undefined) && (await claimedRuns(store, record)).size > 0;
    return { record, status: statusOf(results, anyClaimed), results };
  };

  /** What the store says, without asking the backend. */
  const glance = async (record: TaskRecord): Promise<TaskView> => viewOf(record, await finishWhereEnded(store, record));

  /** What the store says after everything that can be settled is settled. */
  const inspect = async (record: TaskRecord): Promise<TaskView> => {
    const isYoung = Date.now() - taskCreatedAtMs(record.id) < settledAfterMs;
    return isYoung ? glance(record) : viewOf(record, await recoverTask(context, record));
  };

  /** Looks at news and every two seconds until `isOver`; the deadline and the signal end it with the last view. */
  const watchUntil = async (
    record: TaskRecord,
    news: RunnerHint['news'][],
    { waitMs, signal }: WaitOptions,
    isOver: (view: TaskView) => boolean | Promise<boolean>,
  ) => {
    const kinds = new Set(news);
    const deadline = Date.now() + waitMs;
    const watch: Watch = hints.watch(record.id);
    try {
      let view = await inspect(record);
      let inspectedAt = Date.now();
      while (!(await isOver(view)) && Date.now() < deadline && !signal.aborted) {
        await watch.next(kinds, Math.min(lookEveryMs, deadline - Date.now()), signal);
        const due = Date.now() - inspectedAt >= lookEveryMs;
        view = due ? await inspect(record) : await glance(record);
        if (due) inspectedAt = Date.now();
      }
      return view;
    } finally {
      watch.close();
    }
  };

  const waitForEnd = (record: TaskRecord, wait: WaitOptions) => watchUntil(record, ['ended'], wait, hasEnded);

  const wakeRunners = async (record: TaskRecord) => {
    const launched = (await readLaunches(store, record.id)).handle;
    for (const run of await claimedRuns(store, record)) {
      const handle = (await readClaim(store, record.id, run))?.handle ?? launched;
      if (handle !== undefined) await options.backend.cancel(handle, record.id);
    }
  };

  return {
    submit: (task, caller) => submitTask(context, task, caller),

    look: async (id, caller) => inspect(await recordOf(id, caller)),

    wait: async (id, caller, wait) => waitForEnd(await recordOf(id, caller), wait),

    async cancel(id, caller, wait) {
      const record = await recordOf(id, caller);
      const view = await inspect(record);
      if (hasEnded(view)) return view;
      await store.create(keys.cancel(id), JSON.stringify({ by: options.writer, at: new Date().toISOString() }));
      await store.persist(keys.cancel(id));
      for (let run = 0; run < record.runs; run++) await cancelUnclaimed(context, record, run);
      await wakeRunners(record);
      return waitForEnd(record, wait);
    },

    list: (caller, listing) => listTasks(store, caller, options.retentionMs, listing),

    async events(id, caller, page) {
      const record = await recordOf(id, caller);
      refuseUnknownRun(record, page.run);
      return readEventsPage(store, id, page);
    },

    async waitForEvents(id, caller, { run, fromSeq, ...wait }) {
      const record = await recordOf(id, caller);
      refuseUnknownRun(record, run);
      await watchUntil(
        record,
        ['events', 'ended'],
        wait,
        async (view) => hasEnded(view) || (await nextSeqOf(store, id, run)) > fromSeq,
      );
    },

    async artifact(id, caller, { run, path, offset, length }) {
      const record = await recordOf(id, caller);
      refuseUnknownRun(record, run);
      const view = await inspect(record);
      const artifact = view.results[run]?.artifacts.find((each) => each.path === path);
      const bytes =
        artifact && (await store.read(keys.artifact(id, run, path), { offset, length: length ?? artifact.sizeBytes }));
      if (artifact === undefined || bytes === undefined) throw noSuchArtifact(view, run, path);
      return { artifact, bytes };
    },
  };
}

function refuseUnknownRun(record: TaskRecord, run: number): void {
  if (run >= record.runs)
    throw new RunyardError('not_found', `run: ${record.id} has ${record.runs} run(s), numbered from 0.`);
}

function noSuchArtifact(view: TaskView, run: number, path: string): RunyardError {
  const result = view.results[run];
  if (result === undefined) {
    return new RunyardError('not_found', `path: the run has not ended, so ${path} is not there yet.`, {
      hint: 'Wait for its end with get_task_logs.',
    });
  }
  const some = result.artifacts.slice(0, 10).map((each) => each.path);
  return new RunyardError('not_found', `path: the run left no ${path}.`, {
    hint:
      some.length === 0
        ? 'It left no artifacts at all.'
        : `It left ${some.join(', ')}${result.artifacts.length > some.length ? ', …' : ''}.`,
  });
}
