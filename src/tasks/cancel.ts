import { asRunyardError, RunyardError } from '../contracts/errors.ts';
import { keys } from '../contracts/keys.ts';
import type { Handle, TaskRecord } from '../contracts/task.ts';
import { concurrently } from '../lib/concurrently.ts';
import type { Launching } from './launch.ts';
import { readClaim, readLaunches, runsOf, runsWithClaim, runsWithResult } from './objects.ts';
import { cancelledSettlement, endUnclaimed } from './settle.ts';

/**
 * Writes down that the task is cancelled, which is the fact; then ends the runs that nobody has begun, and wakes the
 * runners of the others, which find it.
 */
export async function cancelTask(context: Launching, record: TaskRecord): Promise<void> {
  const { store, writer } = context;
  const key = keys.cancel(record.id);
  await store.create(key, JSON.stringify({ by: writer, at: new Date().toISOString() }));
  await store.persist(key);
  const claimed = await runsWithClaim(store, record.id);
  const unclaimed = runsOf(record).filter((run) => !claimed.has(run));
  const woken = wakeRunners(context, record).catch((error: unknown) => ({ error }));
  await endUnclaimed(context, record, unclaimed, cancelledSettlement);
  const failure = await woken;
  if (failure !== undefined) throw notWoken(record, failure.error);
}

/** The fact stands all the same, which is what whoever cancelled wants to know first. */
function notWoken({ id }: TaskRecord, cause: unknown): RunyardError {
  const { code, message, hint, retryable } = asRunyardError(cause);
  const told = `${id} is marked as cancelled, but what runs of it could not be told to end: ${message}`;
  return new RunyardError(code, told, { hint: `${hint} Then cancel it again.`, retryable, cause });
}

const readsAtOnce = 16;

/** By the handles of the launches; by those of the claims only where the answer to a launch was lost. */
async function wakeRunners({ store, backend }: Launching, record: TaskRecord): Promise<void> {
  const { handles } = await readLaunches(store, record.id);
  const all = handles.includes(undefined) ? [...handles, ...(await handlesOfClaims({ store }, record))] : handles;
  const different = new Map(all.flatMap((handle) => (handle === undefined ? [] : [[JSON.stringify(handle), handle]])));
  const failures: unknown[] = [];
  for (const handle of different.values())
    await backend.cancel(handle, record.id).catch((error: unknown) => failures.push(error));
  // One that cannot be woken now keeps none of the others running.
  if (failures.length > 0) throw failures[0];
}

/** Of the runs under way. */
async function handlesOfClaims({ store }: Pick<Launching, 'store'>, { id }: TaskRecord): Promise<Handle[]> {
  const [claimed, ended] = await Promise.all([runsWithClaim(store, id), runsWithResult(store, id)]);
  const underWay = [...claimed].filter((run) => !ended.has(run));
  const claims = await concurrently(underWay, readsAtOnce, (run) => readClaim(store, id, run));
  return claims.flatMap((claim) => (claim?.handle === undefined ? [] : [claim.handle]));
}
