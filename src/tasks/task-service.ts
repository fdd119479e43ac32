import type { Backend } from '../contracts/backend.ts';
import type { Caller } from '../contracts/caller.ts';
import { RunyardError } from '../contracts/errors.ts';
import { type TaskId, taskCreatedAtMs, taskId } from '../contracts/ids.ts';
import type { Inputs } from '../contracts/inputs.ts';
import { keys } from '../contracts/keys.ts';
import type { Seal } from '../contracts/seal.ts';
import type { Store } from '../contracts/store.ts';
import type { RunResult, TaskRecord } from '../contracts/task.ts';
import type { Noticing, TaskService, TaskView, WaitOptions } from '../contracts/task-service.ts';
import type { Logger } from '../lib/logger.ts';
import { createPace } from '../lib/pace.ts';
import { cancelTask } from './cancel.ts';
import { countReads } from './count-reads.ts';
import { readEventsPage } from './events-page.ts';
import { viewOfFinished } from './finish.ts';
import { endOfRun, endOfTask, linesOrEnd } from './goals.ts';
import type { Hints } from './hints.ts';
import { listTasks } from './listing.ts';
import { readRecord, readResult } from './objects.ts';
import type { DefaultsSource } from './operator-defaults.ts';
import { allEnded, lookAt, type Progress, viewOf } from './progress.ts';
import { settleRuns } from './recover.ts';
import { type Submitting, submitTask } from './submit.ts';
import type { RepositorySource } from './task-repository.ts';
import type { Teller } from './teller.ts';
import { createTroubles } from './troubles.ts';
import { createInspections, type Waiting, waitFor } from './wait.ts';

export interface TaskServiceOptions extends RepositorySource, DefaultsSource {
  readonly store: Store;
  readonly seal: Seal;
  readonly backend: Backend;
  readonly hints: Hints;
  readonly noticing: Noticing;
  readonly log: Logger;
  readonly teller: Pick<Teller, 'check' | 'expect' | 'forRunner'>;
  readonly inputs: Pick<Inputs, 'resolve'>;
  /** Names this server in the store, for people who read it. */
  readonly writer: string;
  readonly retentionMs: number;
}

export function createTaskService(options: TaskServiceOptions): TaskService {
  const { store, hints, noticing, log } = options;
  const context: Submitting & TaskServiceOptions = options;
  const inspections = createInspections(noticing);
  const troubles = createTroubles(log);

  /** The caller's own task; another owner's, a too old one and one that never was give the same answer. */
  const recordOf = async (id: TaskId, caller: Caller): Promise<TaskRecord> => {
    const known = taskId.safeParse(id).success && Date.now() - taskCreatedAtMs(id) <= options.retentionMs;
    const record = known ? await readRecord(store, id) : undefined;
    if (record === undefined || record.owner !== caller.owner)
      throw new RunyardError('not_found', `task_id: there is no task ${id}.`);
    return record;
  };

  /** Where it is time to ask the backend: whether what it said ended a run. */
  const settleWhereDue = async (record: TaskRecord, progress: Progress): Promise<boolean> =>
    !allEnded(record, progress) &&
    inspections.areDue(record) &&
    (await troubles.watch(record, () => settleRuns(context, record, progress)));

  /** What the store says, and what keeps it from saying more. */
  const told = async (record: TaskRecord, progress: Progress): Promise<TaskView> => {
    const seen = await viewOf(store, record, progress);
    const trouble = troubles.of(record);
    return trouble === undefined || allEnded(record, progress) ? seen : { ...seen, trouble };
  };

  /** What the store says after everything that can be settled is settled. */
  const view = async (record: TaskRecord): Promise<TaskView> => {
    const finished = record.runs > 1 ? await viewOfFinished(store, record) : undefined;
    if (finished !== undefined) return finished;
    const progress = await lookAt(store, record);
    const settled = await settleWhereDue(record, progress);
    return told(record, settled ? await lookAt(store, record) : progress);
  };

  const waiting: Waiting = {
    hints,
    noticing,
    looks: createPace({ perSecond: noticing.looksPerSecond, atOnce: noticing.looksAtOnce }),
    async settle(record, progress) {
      if (!inspections.areDue(record)) return { news: false, reads: 0 };
      const counted = countReads(store);
      const news = await troubles.watch(record, async () => {
        const known = progress ?? (await lookAt(counted.store, record));
        return settleRuns({ ...context, store: counted.store }, record, known);
      });
      return { news, reads: counted.reads() };
    },
  };

  const waitForTask = async (record: TaskRecord, wait: WaitOptions): Promise<TaskView> => {
    const finished = record.runs > 1 ? await viewOfFinished(store, record) : undefined;
    if (finished !== undefined) return finished;
    const end = endOfTask(store, record);
    await waitFor(waiting, record, wait, end);
    return told(record, end.progress);
  };

  return {
    submit: (task, caller) => submitTask(context, task, caller),

    look: async (id, caller) => view(await recordOf(id, caller)),

    async wait(id, caller, { run, ...wait }) {
      const record = await recordOf(id, caller);
      if (run !== undefined) refuseUnknownRun(record, run);
      if (run === undefined || record.runs === 1) return waitForTask(record, wait);
      await waitFor(waiting, record, wait, endOfRun(store, record, run));
      return view(record);
    },

    async result(id, caller, run) {
      const record = await recordOf(id, caller);
      refuseUnknownRun(record, run);
      const result = await readResult(store, id, run);
      // A runner tells of a result as soon as it can be seen; whoever passes it on makes sure of it first.
      if (result !== undefined) await store.persist(keys.result(id, run));
      return result;
    },

    async cancel(id, caller, wait) {
      const record = await recordOf(id, caller);
      // No look that could launch what is not wanted any more.
      const progress = await lookAt(store, record);
      if (allEnded(record, progress)) return viewOf(store, record, progress);
      await cancelTask(context, record);
      return waitForTask(record, wait);
    },

    list: (caller, listing) => listTasks(store, caller, options.retentionMs, listing),

    async events(id, caller, page) {
      const record = await recordOf(id, caller);
      refuseUnknownRun(record, page.run);
      return readEventsPage(store, id, page);
    },

    async waitForEvents(id, caller, wait) {
      const record = await recordOf(id, caller);
      refuseUnknownRun(record, wait.run);
      await waitFor(waiting, record, wait, linesOrEnd(store, record, wait));
    },

    async artifact(id, caller, { run, path, offset, length }) {
      const record = await recordOf(id, caller);
      const result = run < record.runs ? await readResult(store, id, run) : undefined;
      const artifact = result?.artifacts.find((each) => each.path === path);
      const bytes =
        artifact && (await store.read(keys.artifact(id, run, path), { offset, length: length ?? artifact.sizeBytes }));
      if (artifact === undefined || bytes === undefined) throw noSuchArtifact(record, result, run, path);
      return { artifact, bytes };
    },
  };
}

function refuseUnknownRun({ runs }: TaskRecord, run: number): void {
  if (run < runs) return;
  const which = runs === 1 ? 'run 0 only' : `runs 0 to ${runs - 1}`;
  throw new RunyardError('invalid_request', `run: this task has ${which}`);
}

function noSuchArtifact(record: TaskRecord, result: RunResult | undefined, run: number, path: string): RunyardError {
  if (run >= record.runs)
    return new RunyardError('not_found', `run: ${record.id} has ${record.runs} run(s), numbered from 0.`);
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
