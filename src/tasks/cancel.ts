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
  await Promise.all([wakeRunners(context, record), endUnclaimed(context, record, unclaimed, cancelledSettlement)]);
}

const readsAtOnce = 16;

/** By the handles of the launches; by those of the claims only where the answer to a launch was lost. */
async function wakeRunners({ store, backend }: Launching, record: TaskRecord): Promise<void> {
  const { handles } = await readLaunches(store, record.id);
  const all = handles.includes(undefined) ? [...handles, ...(await handlesOfClaims({ store }, record))] : handles;
  const different = new Map(all.flatMap((handle) => (handle === undefined ? [] : [[JSON.stringify(handle), handle]])));
  for (const handle of different.values()) await backend.cancel(handle, record.id);
}

/** Of the runs under way. */
async function handlesOfClaims({ store }: Pick<Launching, 'store'>, { id }: TaskRecord): Promise<Handle[]> {
  const [claimed, ended] = await Promise.all([runsWithClaim(store, id), runsWithResult(store, id)]);
  const underWay = [...claimed].filter((run) => !ended.has(run));
  const claims = await concurrently(underWay, readsAtOnce, (run) => readClaim(store, id, run));
  return claims.flatMap((claim) => (claim?.handle === undefined ? [] : [claim.handle]));
}
