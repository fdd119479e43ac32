import type { Backend } from '../contracts/backend.ts';
import { asRunyardError, RunyardError } from '../contracts/errors.ts';
import { keys } from '../contracts/keys.ts';
import type { Store } from '../contracts/store.ts';
import type { TaskRecord } from '../contracts/task.ts';
import { endUnclaimed } from './settle.ts';

/** So many launches the backend may have answered without a runner that begins; then the task ends as `backend_error`. */
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
  const handle = await backend.launch(record).catch(async (error: unknown) => {
    // Nothing was started: this attempt does not count, and is free for the next who tries.
    if (error instanceof RunyardError && error.code === 'rate_limited') await store.remove(keys.launch(record.id, k));
    throw error;
  });
  await store.create(keys.launchHandle(record.id, k), JSON.stringify(handle));
}

/** Ends those of these runs that nobody has claimed with the reason why they cannot begin. */
export async function giveUpLaunching(
  context: Launching,
  record: TaskRecord,
  runs: readonly number[],
  cause: unknown,
): Promise<void> {
  const { code, message } = cause instanceof RunyardError ? cause : asRunyardError(cause);
  await endUnclaimed(context, record, runs, { status: 'failed', error: { code, message } });
}
