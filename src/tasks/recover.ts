import { RunyardError } from '../contracts/errors.ts';
import { type TaskId, taskCreatedAtMs } from '../contracts/ids.ts';
import { keys, taskIdOfKey } from '../contracts/keys.ts';
import type { RunResult, TaskRecord } from '../contracts/task.ts';
import { launch } from '../contracts/task.ts';
import type { Logger } from '../lib/logger.ts';
import { giveUpLaunching, type Launching, launchesMax, launchTask } from './launch.ts';
import { claimedRuns, readClaim, readJson, readLaunches, readRecord } from './objects.ts';
import { cancelledSettlement, claimRun, finishWhereEnded, lost, type Settlement, settleRun } from './settle.ts';

/** Brings every unfinished task to its truth, whatever was killed in between. The claim makes each step safe to repeat. */

export interface Recovering extends Launching {
  readonly retentionMs: number;
  readonly log: Logger;
}

/** A launch without a handle may still be on its way for this long. */
const launchAnswerMs = 60_000;
/** A run has its whole time limit and this much more to write its result. */
const resultGraceMs = 15 * 60_000;
/** A server that claimed a run to settle it does so at once; later it is gone. */
const settlerGraceMs = 30_000;
/** What a submit left behind that was never acknowledged. */
const leftoverMs = 24 * 3_600_000;

/** Every task that has not ended. One that fails is logged and does not stop the others. */
export async function sweep(context: Recovering): Promise<void> {
  const pending = await context.store.list(keys.allPending);
  for (const key of pending) {
    const id = taskIdOfKey(key);
    try {
      await recoverKey(context, key, id);
    } catch (error) {
      context.log.warn({ task: id, error }, 'a task could not be recovered now; it is tried again');
    }
  }
}

async function recoverKey(context: Recovering, key: string, id: TaskId): Promise<void> {
  const { store } = context;
  const record = await readRecord(store, id);
  const ageMs = Date.now() - taskCreatedAtMs(id);
  if (record === undefined) {
    if (ageMs < leftoverMs) return;
    const owners = (await store.list(keys.owners)).filter((each) => taskIdOfKey(each) === id);
    await Promise.all([
      store.remove(keys.sealed(id)),
      ...owners.map((each) => store.remove(each)),
      store.removeAll(keys.task(id)),
    ]);
    await store.remove(key);
    return;
  }
  if (ageMs > context.retentionMs) return removeTask(context, record);
  await recoverTask(context, record);
}

/** Everything of a task that is older than the operator keeps tasks. */
export async function removeTask({ store }: Launching, record: TaskRecord): Promise<void> {
  await store.remove(keys.sealed(record.id));
  await store.remove(keys.pending(record.owner, record.id));
  await store.remove(keys.taskOf(record.owner, record.id));
  await store.removeAll(keys.task(record.id));
}

/** One look: settles what can be settled, launches what must be, finishes what has ended. Returns the results. */
export async function recoverTask(context: Recovering, record: TaskRecord): Promise<(RunResult | undefined)[]> {
  const results = await finishWhereEnded(context.store, record);
  if (!results.includes(undefined) || record.backend !== context.backend.id) return results;
  await recoverRuns(context, record, results);
  return finishWhereEnded(context.store, record);
}

async function recoverRuns(
  context: Recovering,
  record: TaskRecord,
  results: readonly (RunResult | undefined)[],
): Promise<void> {
  const { store } = context;
  const claimed = await claimedRuns(store, record);
  const cancelled = (await store.read(keys.cancel(record.id))) !== undefined;
  const unfinished = results.flatMap((result, run) => (result === undefined ? [run] : []));
  for (const run of unfinished.filter((each) => claimed.has(each)))
    await recoverClaimed(context, record, run, cancelled);

  const unclaimed = unfinished.filter((run) => !claimed.has(run));
  if (unclaimed.length === 0) return;
  if (cancelled) for (const run of unclaimed) await cancelUnclaimed(context, record, run);
  else await relaunchWhereNeeded(context, record);
}

/** Takes the run before any runner does, and ends it. Where a runner was faster, that one ends it. */
export async function cancelUnclaimed({ store, writer }: Launching, record: TaskRecord, run: number): Promise<void> {
  if (await claimRun(store, record, run, writer)) await settleRun(store, record, run, cancelledSettlement);
}

async function recoverClaimed(context: Recovering, record: TaskRecord, run: number, cancelled: boolean): Promise<void> {
  const settlement = await settlementOfClaimed(context, record, run);
  if (settlement === undefined) return;
  await settleRun(context.store, record, run, cancelled ? { ...settlement, ...cancelledSettlement } : settlement);
}

/** How a claimed run without a result is settled; undefined while its runner may still write one. */
async function settlementOfClaimed(
  context: Recovering,
  record: TaskRecord,
  run: number,
): Promise<Settlement | undefined> {
  const { store, backend } = context;
  const claim = await readClaim(store, record.id, run);
  if (claim === undefined) return undefined;
  const ageMs = Date.now() - Date.parse(claim.at);
  if (ageMs > record.timeoutSeconds * 1000 + resultGraceMs) return lost('its time limit passed long ago', claim.at);
  const handle = claim.handle ?? (await readLaunches(store, record.id)).handle;
  if (claim.handle === undefined && ageMs < settlerGraceMs) return undefined;
  if (claim.handle === undefined || handle === undefined) return lost('the server that settled it was gone', claim.at);
  const inspection = await backend.inspect(handle);
  if (inspection.state === 'alive') return undefined;
  // The runner may have written its result between our look and its end.
  if ((await store.read(keys.result(record.id, run))) !== undefined) return undefined;
  return lost(inspection.reason, claim.at);
}

async function relaunchWhereNeeded(context: Recovering, record: TaskRecord): Promise<void> {
  const { store, backend } = context;
  const launches = await readLaunches(store, record.id);
  const reason = await reasonToLaunch(context, record, launches);
  if (reason === undefined) return;
  if (launches.count >= launchesMax) {
    const error = new RunyardError(
      'backend_error',
      `The task was launched ${launchesMax} times and no runner began it: ${reason}.`,
    );
    return giveUpLaunching(context, record, error);
  }
  context.log.info({ task: record.id, backend: backend.id, reason }, 'launching a task again');
  await launchTask(context, record, launches.count);
}

async function reasonToLaunch(
  { store, backend }: Recovering,
  record: TaskRecord,
  launches: Awaited<ReturnType<typeof readLaunches>>,
) {
  if (launches.count === 0) return 'it was never launched';
  if (launches.handle === undefined) {
    const newest = await readJson(store, keys.launch(record.id, launches.newest), launch);
    const ageMs = newest === undefined ? 0 : Date.now() - Date.parse(newest.at);
    return ageMs > launchAnswerMs ? 'its launch was never answered' : undefined;
  }
  const inspection = await backend.inspect(launches.handle);
  return inspection.state === 'alive' ? undefined : inspection.reason;
}
