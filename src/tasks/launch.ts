import type { Backend } from '../contracts/backend.ts';
import { asRunyardError, RunyardError } from '../contracts/errors.ts';
import { keys } from '../contracts/keys.ts';
import type { Store } from '../contracts/store.ts';
import type { TaskRecord } from '../contracts/task.ts';
import { claimRun, settleRun } from './settle.ts';

/** A task is launched this often at most; then it ends as `backend_error`. */
export const launchesMax = 3;

export interface Launching {
  readonly store: Store;
  readonly backend: Backend;
  /** Names this server in launches, claims and cancels. */
  readonly writer: string;
}

/**
 * One numbered attempt to start the task's runners. `launches/{k}` before it says who tries, `{k}.handle` after it
 * how the backend calls the runner; where another server has begun the same attempt, it is left to that one.
 */
export async function launchTask({ store, backend, writer }: Launching, record: TaskRecord, k: number): Promise<void> {
  const note = JSON.stringify({ at: new Date().toISOString(), by: writer });
  if ((await store.create(keys.launch(record.id, k), note)) === 'exists') return;
  const handle = await backend.launch(record);
  await store.create(keys.launchHandle(record.id, k), JSON.stringify(handle));
}

/** Ends every run that nobody has claimed with the reason why it cannot begin. */
export async function giveUpLaunching({ store, writer }: Launching, record: TaskRecord, cause: unknown): Promise<void> {
  const { code, message } = cause instanceof RunyardError ? cause : asRunyardError(cause);
  for (let run = 0; run < record.runs; run++) {
    if (await claimRun(store, record, run, writer)) {
      await settleRun(store, record, run, { status: 'failed', error: { code, message } });
    }
  }
}
