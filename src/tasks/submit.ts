import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Caller } from '../contracts/caller.ts';
import { asRunyardError, RunyardError } from '../contracts/errors.ts';
import { newTaskId, type TaskId, taskCreatedAtMs } from '../contracts/ids.ts';
import type { Inputs } from '../contracts/inputs.ts';
import { keys, taskIdOfKey } from '../contracts/keys.ts';
import { limits } from '../contracts/limits.ts';
import type { Seal } from '../contracts/seal.ts';
import type { Store } from '../contracts/store.ts';
import type { TaskRecord, TaskSpec } from '../contracts/task.ts';
import type { NewTask } from '../contracts/task-service.ts';
import { canonicalJson } from '../lib/canonical-json.ts';
import type { Logger } from '../lib/logger.ts';
import { withinTime } from '../lib/within-time.ts';
import { earlierConversation, keepOpening, withEarlier } from './conversation.ts';
import { finishPending } from './finish.ts';
import { giveUpLaunching, type Launching, launchTask } from './launch.ts';
import { readKeyRecord, readRecord, runsOf } from './objects.ts';
import { type DefaultsSource, withDefaults } from './operator-defaults.ts';
import { allEnded, lookAt } from './progress.ts';
import { withInputs } from './task-inputs.ts';
import { type RepositorySource, refuseRepository, withRepository } from './task-repository.ts';
import { refuseSecrets, withSecrets } from './task-secrets.ts';
import type { Teller } from './teller.ts';

/**
 * key -> sealed -> pending -> owners -> `task.json` (the acknowledgement) -> launch, once everything is there that is to
 * be sealed. Each step can be the last one that was taken: whoever comes next with the same key, or sweeps, goes on from
 * there.
 */

export interface Submitting extends Launching, RepositorySource, DefaultsSource {
  readonly seal: Seal;
  readonly teller: Pick<Teller, 'check' | 'expect' | 'forRunner'>;
  readonly inputs: Pick<Inputs, 'resolve'>;
  readonly retentionMs: number;
  readonly log: Logger;
}

/** The call is answered then, whatever the first launch does. */
const firstLaunchAnswerMs = 2000;

/** An interrupted submit is finished under its own id while it is younger than this. */
const adoptableMs = 3_600_000;

export async function submitTask(context: Submitting, task: NewTask, caller: Caller): Promise<TaskId> {
  refuseSecrets(context, task.spec, caller);
  refuseRepository(context, task, caller);
  if (task.callbackUrl !== undefined) await context.teller.check(task.callbackUrl, caller.owner);
  const request = await requestOf(context, task, caller);
  const known = request && (await findTask(context, request));
  if (known?.exists) return known.id;
  // What cannot be had is found out before anything is written, the idempotency key above all.
  const [spec, callback] = await Promise.all([
    resolved(context, task.spec, caller),
    context.teller.forRunner(task, caller.owner),
    request !== undefined && known === undefined ? refuseAboveCap(context, caller) : undefined,
  ]);
  const sealedSpec = callback === undefined ? spec : { ...spec, callback };
  const identified = await identify(context, request);
  const { id, exists } = identified;
  if (exists) return id;
  const record = await writeObjects(context, identified, { ...task, spec: sealedSpec }, caller);
  const durable = context.store.persist(keys.record(id));
  await Promise.all([durable, firstLaunch(context, record)]);
  return id;
}

/** The spec as it is sealed: with everything in it that it only named, as it is now. */
async function resolved(context: Submitting, spec: TaskSpec, caller: Caller): Promise<TaskSpec> {
  const earlier = await earlierConversation(context, spec, caller);
  const withWords = await withDefaults(context, withEarlier(spec, earlier));
  const withValues = await withSecrets(context, await withRepository(context, withWords, caller));
  return withInputs(context.inputs, withValues, caller.owner);
}

/** A request under an idempotency key. */
interface KeyedRequest {
  /** Where the store keeps which task it became. */
  readonly key: string;
  readonly mac: Buffer;
}

interface Identified {
  readonly id: TaskId;
  /** The task was acknowledged before. */
  readonly exists: boolean;
  /** Made for this very submit; else an earlier one left it behind. */
  readonly isNew: boolean;
}

async function requestOf(context: Submitting, task: NewTask, { owner }: Caller): Promise<KeyedRequest | undefined> {
  if (task.idempotencyKey === undefined) return undefined;
  const mac = createHmac('sha256', await macKey(context))
    .update(requestText(task))
    .digest();
  return { key: keys.idempotency(owner, task.idempotencyKey), mac };
}

/** The task that the key stands for, to be finished where it was not acknowledged; undefined where the key is free. */
async function findTask({ store, retentionMs }: Submitting, request: KeyedRequest): Promise<Identified | undefined> {
  const known = await readKeyRecord(store, request.key);
  if (known === undefined) return undefined;
  const ageMs = Date.now() - taskCreatedAtMs(known.task);
  const exists = ageMs < retentionMs && (await readRecord(store, known.task)) !== undefined;
  if (ageMs >= retentionMs || (!exists && ageMs >= adoptableMs)) {
    await store.remove(request.key);
    return undefined;
  }
  if (!sameMac(known.mac, request.mac)) throw new RunyardError('conflict');
  return { id: known.task, exists, isNew: false };
}

/** The id under the caller's idempotency key, or a new one. */
async function identify(context: Submitting, request: KeyedRequest | undefined): Promise<Identified> {
  const mine = { id: newTaskId(), exists: false, isNew: true };
  if (request === undefined) return mine;
  const note = JSON.stringify({ task: mine.id, mac: request.mac.toString('hex') });
  if ((await context.store.create(request.key, note)) === 'created') return mine;
  return (await findTask(context, request)) ?? identify(context, request);
}

function sameMac(known: string, mac: Buffer): boolean {
  const bytes = Buffer.from(known, 'hex');
  return bytes.length === mac.length && timingSafeEqual(bytes, mac);
}

/** What makes two requests the same: all that the caller said, nothing that the server resolved. */
function requestText(task: NewTask): string {
  const { endpoint: _resolved, ...spec } =
    task.spec.kind === 'claude' ? task.spec : { ...task.spec, endpoint: undefined };
  const { runs, size, timeoutSeconds, metadata, callbackUrl } = task;
  return canonicalJson({ spec, runs, size, timeoutSeconds, metadata, callbackUrl });
}

async function macKey({ store, seal }: Submitting): Promise<Buffer> {
  const sealed = await store.read(keys.macKey);
  if (sealed !== undefined) return seal.unseal(sealed, keys.macKey);
  await store.create(keys.macKey, await seal.seal(randomBytes(32), keys.macKey));
  return seal.unseal((await store.read(keys.macKey))!, keys.macKey);
}

/** What is said where the owner has too many unfinished tasks, of those that count. */
async function excessOf(
  { store }: Submitting,
  { owner }: Caller,
  counts: (key: string) => boolean = () => true,
): Promise<RunyardError | undefined> {
  const others = async () => (await store.list(keys.pendingOf(owner))).filter(counts);
  const found = await others();
  if (found.length < limits.pendingTasksPerOwnerMax) return undefined;
  for (const key of found) await finishUnseenEnd(store, taskIdOfKey(key));
  const { length } = await others();
  if (length < limits.pendingTasksPerOwnerMax) return undefined;
  const message = `You have ${length} unfinished tasks; ${limits.pendingTasksPerOwnerMax} is the limit.`;
  return new RunyardError('too_many_tasks', message);
}

async function refuseAboveCap(context: Submitting, caller: Caller): Promise<void> {
  const excess = await excessOf(context, caller);
  if (excess !== undefined) throw excess;
}

/**
 * Counts what came before this task, which is pending itself by now: of many submits at once as many get through as may.
 * For an id that was refused before all others count: it has lost its place, or whoever is refused often would gather ids
 * that come before everything. Takes the task's traces away where it does not get through, but not its key: another
 * submit under that may be on its way with this very task, and a third would then make a second one.
 */
async function leaveAboveCap(
  context: Submitting,
  id: TaskId,
  caller: Caller,
  { hasPlace }: { readonly hasPlace: boolean },
): Promise<void> {
  const own = keys.pending(caller.owner, id);
  const excess = await excessOf(context, caller, (other) => (hasPlace ? other < own : other !== own));
  if (excess === undefined) return;
  const traces = [own, keys.sealed(id), keys.opening(id)];
  await Promise.all(traces.map((key) => context.store.remove(key)));
  throw excess;
}

/** A task counts as pending until somebody has looked at its end. */
async function finishUnseenEnd(store: Store, id: TaskId): Promise<void> {
  const record = await readRecord(store, id);
  if (record === undefined) return;
  const progress = await lookAt(store, record);
  if (allEnded(record, progress)) await finishPending(store, record, progress.result);
}

async function writeObjects(
  context: Submitting,
  identified: Identified,
  task: NewTask,
  caller: Caller,
): Promise<TaskRecord> {
  const { store, seal, backend } = context;
  const { id } = identified;
  const record: TaskRecord = {
    id,
    kind: task.spec.kind,
    owner: caller.owner,
    backend: backend.id,
    runs: task.runs,
    size: task.size,
    timeoutSeconds: task.timeoutSeconds,
    createdAt: new Date(taskCreatedAtMs(id)).toISOString(),
    ...(task.metadata === undefined ? {} : { metadata: task.metadata }),
  };
  const sealed = async () => store.create(keys.sealed(id), await seal.seal(Buffer.from(JSON.stringify(task.spec)), id));
  await Promise.all([sealed(), keepOpening(context, id, task.spec)]);
  const wasPending = (await store.create(keys.pending(caller.owner, id), '')) === 'exists';
  await leaveAboveCap(context, id, caller, { hasPlace: identified.isNew || wasPending });
  if (task.callbackUrl !== undefined)
    await context.teller.expect(record, { url: task.callbackUrl, byRunner: task.spec.callback !== undefined });
  await store.create(keys.taskOf(caller.owner, id), '');
  await store.create(keys.record(id), JSON.stringify(record));
  return record;
}

/**
 * Answers when the first attempt was answered, or after a while. A refusal that may pass leaves the task queued for the
 * sweep; a final one settles it and is the call's error.
 */
async function firstLaunch(context: Submitting, record: TaskRecord): Promise<void> {
  const attempt = launchTask(context, record, 0).catch(async (cause: unknown) => {
    const error = asRunyardError(cause);
    if (error.retryable) {
      context.log.warn({ task: record.id, error: cause }, 'a task could not be launched now; it is tried again');
      return;
    }
    await giveUpLaunching(context, record, runsOf(record), error);
    throw error;
  });
  await withinTime(attempt, firstLaunchAnswerMs);
}
