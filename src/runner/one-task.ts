import { AccessExpired } from '../contracts/errors.ts';
import type { TaskId } from '../contracts/ids.ts';
import { keys } from '../contracts/keys.ts';
import { runnerExitCodes } from '../contracts/runner-exit.ts';
import type { KillReason } from '../contracts/sandbox.ts';
import { type TaskRecord, type TaskSpec, taskRecord } from '../contracts/task.ts';
import { executeRun, type RunDependencies, type RunEnd, readSpec, reportUnreadable } from './run.ts';
import type { Telling } from './telling.ts';

/** One run of one task, in the hands of a runner that was started for it alone. */
export interface OneTask {
  /** Resolves to the exit code of `runnerExitCodes` once everything is said. Never rejects. */
  readonly ended: Promise<number>;
  /** Ends the run early, as the task's `cancel` says. */
  stop(): Promise<void>;
}

export interface OneTaskOptions extends RunDependencies, Telling {
  readonly task: TaskId;
  readonly run: number;
}

/**
 * The token that reads the task may expire soon: everything is read before the run is claimed, and an expired one leaves
 * it to a new launch.
 */
export function workForOneTask(options: OneTaskOptions): OneTask {
  const { log, task: id, run } = options;
  const stop = new AbortController();
  const stopTelling = new AbortController();
  let mayReport = true;

  const carryOut = async (): Promise<number> => {
    const read = await readTask(options);
    if (stop.signal.aborted) return runnerExitCodes.stopped;
    switch (read.state) {
      case 'expired':
        log.warn({ task: id, run }, 'the token to read the task with has expired; a new launch brings a new one');
        return runnerExitCodes.tokenExpired;
      case 'absent':
        log.error({ task: id }, 'there is no such task');
        return runnerExitCodes.failed;
      case 'unreadable':
        return exitCodeOf(await reportUnreadable(options, { id }, run, read.error));
      case 'read':
        return work(read);
    }
  };

  const work = async ({ record, spec }: Extract<ReadTask, { state: 'read' }>): Promise<number> => {
    if (run >= record.runs) {
      log.error({ task: id, run, runs: record.runs }, 'the task has no such run');
      return runnerExitCodes.failed;
    }
    let stored: string | undefined;
    const end = await executeRun(options, record, run, stop, {
      spec,
      mayReport: () => mayReport,
      onReported: (text) => {
        stored = text;
      },
    });
    if (stored !== undefined) await tell(record, spec, stored);
    return exitCodeOf(end);
  };

  const tell = async (record: TaskRecord, spec: () => Promise<TaskSpec>, stored: string) => {
    const { callback } = await spec().catch(() => ({ callback: undefined }));
    if (callback === undefined) return;
    const { tellEnd } = await import('./telling.ts');
    await tellEnd(options, { record, callback, stored }, stopTelling.signal);
  };

  return {
    ended: carryOut(),
    async stop() {
      stopTelling.abort();
      const reason = await whyStopped(options);
      if (reason === undefined) mayReport = false;
      stop.abort(reason ?? ('stopped' satisfies KillReason));
    },
  };
}

type ReadTask =
  | { readonly state: 'read'; readonly record: TaskRecord; readonly spec: () => Promise<TaskSpec> }
  | { readonly state: 'expired' }
  | { readonly state: 'absent' }
  | { readonly state: 'unreadable'; readonly error: unknown };

async function readTask({ store, seal, task }: OneTaskOptions): Promise<ReadTask> {
  try {
    const bytes = await store.read(keys.record(task));
    if (bytes === undefined) return { state: 'absent' };
    const record = taskRecord.parse(JSON.parse(bytes.toString('utf8')));
    return { state: 'read', record, spec: await heldSpec({ store, seal }, record) };
  } catch (error) {
    return error instanceof AccessExpired ? { state: 'expired' } : { state: 'unreadable', error };
  }
}

/** The spec, read now, to be had later; a failure too, which then becomes the result of the run. */
async function heldSpec(from: Pick<OneTaskOptions, 'store' | 'seal'>, record: TaskRecord) {
  try {
    const spec = await readSpec(from, record);
    return async () => spec;
  } catch (error) {
    if (error instanceof AccessExpired) throw error;
    return () => Promise.reject(error);
  }
}

/** Undefined where it cannot be read any more: only the server knows then. */
async function whyStopped({ store, log, task }: OneTaskOptions): Promise<KillReason | undefined> {
  try {
    return (await store.read(keys.cancel(task))) === undefined ? 'stopped' : 'cancelled';
  } catch (error) {
    log.warn({ task, error }, 'why this runner is stopped cannot be read; a server settles the run');
    return undefined;
  }
}

function exitCodeOf(end: RunEnd): number {
  if (end === 'refused') return runnerExitCodes.storeRefused;
  return end === 'unreported' ? runnerExitCodes.failed : runnerExitCodes.done;
}
