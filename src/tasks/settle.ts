import { keys } from '../contracts/keys.ts';
import type { Store } from '../contracts/store.ts';
import type { Claim, RunError, RunResult, RunStatus, TaskRecord } from '../contracts/task.ts';
import { readResults } from './objects.ts';
import { endOf } from './status.ts';

/** Ends that a server writes for runs that have no runner to do it. First writer wins, as everywhere. */

/** Takes a run that nobody has claimed; false where a runner was faster. */
export async function claimRun(store: Store, record: TaskRecord, run: number, writer: string): Promise<boolean> {
  const mine: Claim = { writer, at: new Date().toISOString() };
  return (await store.create(keys.claim(record.id, run), JSON.stringify(mine))) === 'created';
}

export interface Settlement {
  readonly status: RunStatus;
  readonly error: RunError;
  /** When the run was claimed; now where it never was. */
  readonly startedAt?: string;
}

/** Writes the end of one run and waits until it survives a power cut. */
export async function settleRun(store: Store, record: TaskRecord, run: number, settlement: Settlement): Promise<void> {
  const now = new Date();
  const startedAt = settlement.startedAt ?? now.toISOString();
  const result: RunResult = {
    run,
    status: settlement.status,
    exitCode: null,
    error: settlement.error,
    stdout: '',
    stderr: '',
    truncated: false,
    artifacts: [],
    startedAt,
    durationMs: Math.max(0, now.getTime() - Date.parse(startedAt)),
    sandbox: { technology: 'none', network: 'none' },
  };
  const key = keys.result(record.id, run);
  await store.create(key, JSON.stringify(result));
  await store.persist(key);
}

export const cancelledSettlement: Settlement = {
  status: 'cancelled',
  error: { code: 'cancelled', message: 'The task was cancelled.' },
};

export function lost(reason: string, startedAt?: string): Settlement {
  return {
    status: 'failed',
    error: { code: 'runner_lost', message: `The runner was lost before the run had a result: ${reason}.` },
    ...(startedAt === undefined ? {} : { startedAt }),
  };
}

/** The results until now; where all are in, the task is finished. */
export async function finishWhereEnded(store: Store, record: TaskRecord): Promise<(RunResult | undefined)[]> {
  const results = await readResults(store, record);
  const ended = results.filter((result) => result !== undefined);
  if (ended.length === record.runs) await finishTask(store, record, ended);
  return results;
}

/** All results are in: says so once, and takes away what only an unfinished task needs. */
async function finishTask(store: Store, record: TaskRecord, results: readonly RunResult[]): Promise<void> {
  const key = keys.end(record.id);
  if ((await store.read(key)) === undefined) {
    // A runner tells of a result as soon as it can be seen; whoever passes it on makes sure of it first.
    await Promise.all(results.map(({ run }) => store.persist(keys.result(record.id, run))));
    await store.create(key, JSON.stringify(endOf(results)));
  }
  await Promise.all([store.remove(keys.sealed(record.id)), store.remove(keys.pending(record.owner, record.id))]);
}
