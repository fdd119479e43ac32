import type { ErrorCode } from '../contracts/errors.ts';
import { keys } from '../contracts/keys.ts';
import type { Store } from '../contracts/store.ts';
import {
  type Claim,
  neverBegun,
  type RunError,
  type RunResult,
  type RunStatus,
  type TaskRecord,
} from '../contracts/task.ts';
import { concurrently } from '../lib/concurrently.ts';

/** Ends that a server writes for runs that have no runner to do it. First writer wins, as everywhere. */

/** Takes a run that nobody has claimed; false where a runner was faster. */
async function claimRun(store: Store, record: TaskRecord, run: number, writer: string): Promise<boolean> {
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
    ...(record.kind === 'claude' && settlement.startedAt === undefined ? { claude: neverBegun } : {}),
  };
  const key = keys.result(record.id, run);
  await store.create(key, JSON.stringify(result));
  await store.persist(key);
}

/** Claims and ends every one of these runs, a few at a time; where a runner was faster, that one ends it. */
export async function endUnclaimed(
  { store, writer }: { readonly store: Store; readonly writer: string },
  record: TaskRecord,
  runs: readonly number[],
  settlement: Settlement,
): Promise<void> {
  await concurrently(runs, writesAtOnce, async (run) => {
    if (await claimRun(store, record, run, writer)) await settleRun(store, record, run, settlement);
  });
}

const writesAtOnce = 32;

export const cancelledSettlement: Settlement = {
  status: 'cancelled',
  error: { code: 'cancelled', message: 'The task was cancelled.' },
};

/** `code`: where the backend knows better than that the runner is gone. */
export function lost(reason: string, startedAt: string, code: ErrorCode = 'runner_lost'): Settlement {
  return {
    status: 'failed',
    error: { code, message: `The runner was lost before the run had a result: ${reason}.` },
    startedAt,
  };
}
