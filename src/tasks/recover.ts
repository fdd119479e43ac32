import { asRunyardError, RunyardError } from '../contracts/errors.ts';
import { type TaskId, taskCreatedAtMs } from '../contracts/ids.ts';
import { keys, taskIdOfKey } from '../contracts/keys.ts';
import { type Claim, type Handle, launch, type TaskRecord } from '../contracts/task.ts';
import { concurrently } from '../lib/concurrently.ts';
import type { Logger } from '../lib/logger.ts';
import { once } from '../lib/once.ts';
import { finishPending } from './finish.ts';
import { giveUpLaunching, type Launching, launchesMax, launchTask } from './launch.ts';
import { type LaunchState, readClaim, readJson, readLaunches, readRecord, runsOf, runsWithClaim } from './objects.ts';
import { allEnded, lookAt, type Progress } from './progress.ts';
import { cancelledSettlement, endUnclaimed, lost, type Settlement, settleRun } from './settle.ts';

/** Brings every unfinished task to its truth, whatever was killed in between. The claim makes each step safe to repeat. */

export interface Recovering extends Launching {
  readonly retentionMs: number;
  readonly log: Logger;
}

/**
 * A launch without a handle may still be on its way for this long; after the third each is given twice as long as the one
 * before: where so many answers get lost, starts are late too.
 */
const launchAnswerMs = (count: number) => 60_000 * 2 ** Math.max(0, count - 3);
/** Of one that was never answered nobody knows whether it was asked for: its server may have been killed before. */
const launchesAtAllMax = 6;
/** A run has its whole time limit and this much more to write its result. */
const resultGraceMs = 15 * 60_000;
/** A server that claimed a run to settle it does so at once; later it is gone. */
const settlerGraceMs = 30_000;
/** What a submit left behind that was never acknowledged. */
const leftoverMs = 24 * 3_600_000;

/** A store far away answers several as fast as one. */
const sweptAtOnce = 8;

/** Every task that has not ended. One that fails is logged and does not stop the others. */
export async function sweep(context: Recovering): Promise<void> {
  await concurrently(await context.store.list(keys.allPending), sweptAtOnce, async (key) => {
    const id = taskIdOfKey(key);
    try {
      await recoverKey(context, key, id);
    } catch (error) {
      context.log.warn({ task: id, error }, 'a task could not be recovered now; it is tried again');
    }
  });
}

async function recoverKey(context: Recovering, key: string, id: TaskId): Promise<void> {
  const { store } = context;
  const record = await readRecord(store, id);
  const ageMs = Date.now() - taskCreatedAtMs(id);
  if (record === undefined) {
    if (ageMs < leftoverMs) return;
    const owners = (await store.list(keys.owners)).filter((each) => taskIdOfKey(each) === id);
    await Promise.all([...owners.map((each) => store.remove(each)), removeRemains(context, id)]);
    await store.remove(key);
    return;
  }
  if (ageMs > context.retentionMs) return removeTask(context, record);
  await recoverTask(context, record);
}

/** Everything of a task that is older than the operator keeps tasks; last what it is found by, should this be cut short. */
export async function removeTask({ store }: Pick<Launching, 'store'>, record: TaskRecord): Promise<void> {
  await store.remove(keys.pending(record.owner, record.id));
  await store.remove(keys.telling(record.owner, record.id));
  await removeRemains({ store }, record.id);
  await store.remove(keys.taskOf(record.owner, record.id));
}

/** What lies under the task's own id. */
export async function removeRemains({ store }: Pick<Launching, 'store'>, id: TaskId): Promise<void> {
  await store.remove(keys.sealed(id));
  await store.removeAll(keys.task(id));
}

/** A task that is listed as pending: settles what can be settled, launches what must be, finishes it where it has ended. */
async function recoverTask(context: Recovering, record: TaskRecord): Promise<void> {
  const { store } = context;
  let progress = await lookAt(store, record);
  if (!allEnded(record, progress) && (await settleRuns(context, record, progress)))
    progress = await lookAt(store, record);
  if (allEnded(record, progress)) await finishPending(store, record, progress.result);
}

/** Settles what can be settled of the unfinished runs, and launches what must be. Whether a run was settled. */
export async function settleRuns(context: Recovering, record: TaskRecord, { ended }: Progress): Promise<boolean> {
  const { store, backend } = context;
  if (record.backend !== backend.id) return false;
  const scene: Scene = {
    record,
    isCancelled: once(async () => (await store.read(keys.cancel(record.id))) !== undefined),
    launches: once(() => readLaunches(store, record.id)),
  };
  const unfinished = runsOf(record).filter((run) => !ended.has(run));
  const claimed = record.runs > 1 ? await runsWithClaim(store, record.id) : undefined;
  const states = await concurrently(unfinished, lookedAtOnce, async (run) =>
    claimed?.has(run) === false ? 'unclaimed' : settleClaimed(context, scene, run),
  );
  const unclaimed = unfinished.filter((_, index) => states[index] === 'unclaimed');
  const anySettled = states.includes('settled');
  if (unclaimed.length === 0) return anySettled;
  const endOrLaunch = (await scene.isCancelled()) ? cancelRuns : launchWhereNeeded;
  return (await endOrLaunch(context, scene, unclaimed)) || anySettled;
}

/** Claims and inspections of many runs at once; those of the backend are answered from one look. */
const lookedAtOnce = 16;

/** What is known of a task while its runs are looked at; read once, where it is needed. */
interface Scene {
  readonly record: TaskRecord;
  readonly isCancelled: () => Promise<boolean>;
  readonly launches: () => Promise<LaunchState>;
}

type RunState = 'unclaimed' | 'settled' | 'goes on';

async function settleClaimed(context: Recovering, scene: Scene, run: number): Promise<RunState> {
  const { store } = context;
  const { record, isCancelled } = scene;
  if (await surelyGoesOn(context, scene, run)) return 'goes on';
  const claim = await readClaim(store, record.id, run);
  if (claim === undefined) return 'unclaimed';
  const settlement = await settlementOf(context, scene, run, claim);
  if (settlement === undefined) return 'goes on';
  await settleRun(store, record, run, (await isCancelled()) ? { ...settlement, ...cancelledSettlement } : settlement);
  return 'settled';
}

/** Spares reading a thousand claims: a task that was launched once is in the hands of that launch's runners. */
async function surelyGoesOn({ backend }: Recovering, { record, isCancelled, launches }: Scene, run: number) {
  const ageMs = Date.now() - taskCreatedAtMs(record.id);
  if (record.runs === 1 || ageMs > record.timeoutSeconds * 1000 + resultGraceMs || (await isCancelled())) return false;
  const { count, handle } = await launches();
  return count === 1 && handle !== undefined && (await backend.inspect(handle, run)).state === 'alive';
}

/** How a claimed run without a result is settled; undefined while its runner may still write one. */
async function settlementOf(
  { store, backend }: Recovering,
  { record }: Scene,
  run: number,
  claim: Claim,
): Promise<Settlement | undefined> {
  const ageMs = Date.now() - Date.parse(claim.at);
  if (ageMs > record.timeoutSeconds * 1000 + resultGraceMs) return lost('its time limit passed long ago', claim.at);
  if (claim.handle === undefined)
    return ageMs < settlerGraceMs ? undefined : lost('the server that settled it was gone', claim.at);
  const inspection = await backend.inspect(claim.handle);
  if (inspection.state === 'alive') return undefined;
  // The runner may have written its result between our look and its end.
  if ((await store.read(keys.result(record.id, run))) !== undefined) return undefined;
  return lost(inspection.reason, claim.at, inspection.state === 'ended' ? inspection.code : undefined);
}

async function cancelRuns(context: Recovering, { record }: Scene, runs: readonly number[]): Promise<boolean> {
  await endUnclaimed(context, record, runs, cancelledSettlement);
  return true;
}

/** Launches the task again where no runner will come for some of these runs. Whether it gave one up instead. */
async function launchWhereNeeded(context: Recovering, scene: Scene, unclaimed: readonly number[]): Promise<boolean> {
  const { record } = scene;
  const launches = await scene.launches();
  const stranded = await strandedRuns(context, record, launches, unclaimed);
  if (stranded === undefined) return false;
  const { reason } = stranded;
  // One that was claimed while its runner was asked for is in good hands.
  const claimed = await runsWithClaim(context.store, record.id);
  const runs = stranded.runs.filter((run) => !claimed.has(run));
  if (runs.length === 0) return false;
  const answered = launches.handles.filter((handle) => handle !== undefined).length;
  if (answered >= launchesMax || launches.count >= launchesAtAllMax) {
    const error = new RunyardError(
      'backend_error',
      `The task was launched ${launches.count} times and no runner began it: ${reason}.`,
    );
    await giveUpLaunching(context, record, runs, error);
    return true;
  }
  context.log.info({ task: record.id, backend: context.backend.id, reason }, 'launching a task again');
  try {
    await launchTask(context, record, launches.count);
    return false;
  } catch (error) {
    // As at submit: what only an operator can mend ends the task with its own words.
    if (asRunyardError(error).retryable) throw error;
    await giveUpLaunching(context, record, runs, error);
    return true;
  }
}

/** The unclaimed runs that no runner will come for, and why; undefined where each may still begin. */
async function strandedRuns(
  { store, backend }: Recovering,
  { id, runs }: TaskRecord,
  { count, handle }: LaunchState,
  unclaimed: readonly number[],
): Promise<{ runs: readonly number[]; reason: string } | undefined> {
  if (count === 0) return { runs: unclaimed, reason: 'it was never launched' };
  if (handle === undefined) {
    const newest = await readJson(store, keys.launch(id, count - 1), launch);
    const ageMs = newest === undefined ? 0 : Date.now() - Date.parse(newest.at);
    return ageMs > launchAnswerMs(count) ? { runs: unclaimed, reason: 'its launch was never answered' } : undefined;
  }
  const inspection = await backend.inspect(handle);
  if (inspection.state !== 'alive') return { runs: unclaimed, reason: inspection.reason };
  if (runs === 1) return undefined;
  const left = await runsThatLeft(backend, handle, unclaimed);
  return left.length === 0 ? undefined : { runs: left.map(({ run }) => run), reason: left[0]!.reason };
}

/** Of a launch that goes on: the runs whose own runner has ended without a claim. */
async function runsThatLeft(backend: Recovering['backend'], handle: Handle, unclaimed: readonly number[]) {
  const inspections = await concurrently(unclaimed, lookedAtOnce, async (run) => ({
    run,
    inspection: await backend.inspect(handle, run),
  }));
  return inspections.flatMap(({ run, inspection }) =>
    inspection.state === 'alive' ? [] : [{ run, reason: inspection.reason }],
  );
}
