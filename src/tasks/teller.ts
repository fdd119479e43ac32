import { z } from 'zod';
import { type TaskId, taskCreatedAtMs } from '../contracts/ids.ts';
import { keys, taskIdOfKey } from '../contracts/keys.ts';
import type { Seal } from '../contracts/seal.ts';
import type { Store } from '../contracts/store.ts';
import type { TaskRecord } from '../contracts/task.ts';
import type { NewTask, TaskView } from '../contracts/task-service.ts';
import {
  endOfRunMs,
  gapAfterMs,
  mayBeToldByRunner,
  noteTold,
  serversWaitMs,
  webhookMessage,
} from '../contracts/telling.ts';
import type { SealedCallback, WebhookAnswer, WebhookSender } from '../contracts/webhook.ts';
import { concurrently } from '../lib/concurrently.ts';
import type { Logger } from '../lib/logger.ts';
import { type CallbackPolicy, callbackWithSecret, refuseCallback, signingReference } from './callback.ts';
import { readEnd } from './finish.ts';
import { readRecord } from './objects.ts';
import { allEnded, lookAt, viewOf } from './progress.ts';
import type { SecretSource } from './task-secrets.ts';

/** Tells receivers of the ends of tasks: the same bytes under the same id until one has taken them, for a day at most. */
export interface Teller {
  /** Throws `invalid_request`, `forbidden` or `egress_denied` where this owner may not have this address told. */
  check(url: string, owner: string): Promise<void>;
  /** What is sealed into a task whose runner tells its end; undefined where that is left to servers. */
  forRunner(task: Pick<NewTask, 'runs' | 'callbackUrl'>, owner: string): Promise<SealedCallback | undefined>;
  /** Notes, before the task is acknowledged, that its end is to be told. */
  expect(record: TaskRecord, note: ToTell): Promise<void>;
  /** A run of this task has ended. */
  heard(id: TaskId): void;
  /** Looks at everything that is to be told. */
  tellSoon(): void;
  close(): Promise<void>;
}

export interface Telling extends CallbackPolicy, SecretSource {
  readonly store: Store;
  readonly seal: Seal;
  readonly webhooks: WebhookSender;
  /** Whether runners of this backend tell the ends of tasks with one run, so that no server need be there. */
  readonly runnersTell: boolean;
  readonly log: Logger;
}

/** What lies sealed under `telling/`. `byRunner`: its runner was given the means to tell it first. */
const toTell = z.object({ url: z.string(), byRunner: z.boolean().default(false) });
type ToTell = z.infer<typeof toTell>;

/** Tasks of other servers, and what a dead one left, are found this often. */
const lookEveryMs = 30_000;
/** The first client's first question comes before. */
const firstLookAfterMs = 1000;
const givenUpAfterMs = 24 * 3_600_000;
const atOnce = 8;
/** A submit that was never acknowledged has nothing to tell. */
const leftoverMs = 24 * 3_600_000;

export function startTeller(context: Telling): Teller {
  const expected = new Set<TaskId>();
  /** Of those that wait: how often their receivers were asked, and when they are asked again. A runner is waited for once. */
  const patience = new Map<string, { attempts: number; nextAt: number }>();
  const stop = new AbortController();
  let working: Promise<void> | undefined;
  let again = false;
  let timer: NodeJS.Timeout | undefined;

  const pass = async () => {
    const before = [...expected];
    const listed = await context.store.list(keys.allTelling);
    forgetAllBut(new Set(listed), before);
    const due = listed.filter((key) => (patience.get(key)?.nextAt ?? 0) <= Date.now());
    await concurrently(due, atOnce, async (key) => {
      if (stop.signal.aborted) return;
      const done = await tell(key).catch((error: unknown) => {
        if (!stop.signal.aborted)
          context.log.warn({ task: taskIdOfKey(key), error }, 'a webhook could not be sent now');
        return false;
      });
      if (done) forget(key);
    });
  };

  /** Whether nothing is left to do for this one. */
  const tell = async (key: string): Promise<boolean> => {
    const answer = await tellOnce(context, key, { runnerGoesFirst: !patience.has(key), signal: stop.signal });
    if (answer === 'nothing' || answer === 'not_ended') return answer === 'nothing';
    if (answer.outcome === 'runners_turn') {
      patience.set(key, { attempts: 0, nextAt: Date.now() + answer.forMs });
      return false;
    }
    if (answer.outcome !== 'try_again') return true;
    const attempts = (patience.get(key)?.attempts ?? 0) + 1;
    patience.set(key, { attempts, nextAt: Date.now() + gapAfterMs(attempts) });
    context.log.info(
      { task: taskIdOfKey(key), attempts, reason: answer.reason },
      'a webhook was not taken; it is tried again',
    );
    return false;
  };

  const forget = (key: string) => {
    patience.delete(key);
    expected.delete(taskIdOfKey(key));
  };

  /** What another server has told or forgotten is waited for no longer. `before`: what was expected before the listing. */
  const forgetAllBut = (listed: ReadonlySet<string>, before: readonly TaskId[]) => {
    for (const key of patience.keys()) if (!listed.has(key)) patience.delete(key);
    const open = new Set([...listed].map(taskIdOfKey));
    for (const id of before) if (!open.has(id)) expected.delete(id);
  };

  const soon = () => {
    if (stop.signal.aborted) return;
    again = true;
    working ??= workOff();
  };

  const workOff = async () => {
    while (again && !stop.signal.aborted) {
      again = false;
      await pass().catch((error: unknown) =>
        context.log.warn({ error }, 'webhooks could not be looked for; it is tried again'),
      );
    }
    working = undefined;
    schedule();
  };

  const schedule = () => {
    clearTimeout(timer);
    if (stop.signal.aborted) return;
    const next = Math.min(...[...patience.values()].map(({ nextAt }) => nextAt - Date.now()), lookEveryMs);
    timer = setTimeout(soon, Math.max(next, 0));
    timer.unref();
  };
  timer = setTimeout(soon, firstLookAfterMs);
  timer.unref();

  return {
    check: (url, owner) => refuseCallback(context, url, owner),
    async forRunner({ runs, callbackUrl: url }, owner) {
      if (!context.runnersTell || runs > 1 || url === undefined) return undefined;
      return callbackWithSecret(context, url, owner).catch((error: unknown) => {
        context.log.warn({ error }, 'a webhook is left to servers: its secret cannot be read now');
        return undefined;
      });
    },
    async expect({ id, owner }, note) {
      const sealed = await context.seal.seal(Buffer.from(JSON.stringify(note)), id);
      await context.store.create(keys.telling(owner, id), sealed);
      expected.add(id);
    },
    heard(id) {
      if (expected.has(id)) soon();
    },
    tellSoon: soon,
    async close() {
      stop.abort();
      clearTimeout(timer);
      await working;
    },
  };
}

// --- Internal helpers ---

type Told = WebhookAnswer | 'not_ended' | 'nothing' | { readonly outcome: 'runners_turn'; readonly forMs: number };

async function tellOnce(
  context: Telling,
  key: string,
  { runnerGoesFirst, signal }: { readonly runnerGoesFirst: boolean; readonly signal: AbortSignal },
): Promise<Told> {
  const { store, seal } = context;
  const id = taskIdOfKey(key);
  const record = await readRecord(store, id);
  if (record === undefined) return (await dropLeftover(store, key, id)) ? 'nothing' : 'not_ended';
  const view = await endedView(store, record);
  if (view === undefined) return 'not_ended';
  const sealed = await store.read(key);
  if (sealed === undefined || (await store.read(keys.webhook(id))) !== undefined) {
    await store.remove(key);
    return 'nothing';
  }
  const { url, byRunner } = toTell.parse(JSON.parse((await seal.unseal(sealed, id)).toString('utf8')));
  const forMs = byRunner && runnerGoesFirst ? runnersTimeMs(view) : 0;
  if (forMs > 0) return { outcome: 'runners_turn', forMs };
  const atMs = await endMs(store, view);
  const late = Date.now() - atMs > givenUpAfterMs;
  const answer: WebhookAnswer = late
    ? { outcome: 'given_up', reason: 'nobody took it for a day' }
    : await attempt(context, { url, atMs, view }, signal);
  if (answer.outcome !== 'try_again') {
    await noteTold(store, record, answer);
    await store.remove(key);
  }
  return answer;
}

/** How long its runner may still be telling it; a clock that goes wrong holds up nobody for longer than that. */
function runnersTimeMs({ result }: TaskView): number {
  if (result === undefined || !mayBeToldByRunner(result)) return 0;
  return Math.min(endOfRunMs(result) + serversWaitMs - Date.now(), serversWaitMs);
}

/** Of one run its own end, which its runner knows too; of several, when a server saw them all. */
async function endMs(store: Store, { record, result }: TaskView): Promise<number> {
  if (result !== undefined) return endOfRunMs(result);
  return Date.parse((await readEnd(store, record))?.at ?? record.createdAt);
}

async function dropLeftover(store: Store, key: string, id: TaskId): Promise<boolean> {
  if (Date.now() - taskCreatedAtMs(id) < leftoverMs) return false;
  await store.remove(key);
  return true;
}

async function endedView(store: Store, record: TaskRecord): Promise<TaskView | undefined> {
  const progress = await lookAt(store, record);
  return allEnded(record, progress) ? viewOf(store, record, progress) : undefined;
}

async function attempt(
  { secrets, secretDeclarations, webhooks }: Telling,
  { url, atMs, view }: { readonly url: string; readonly atMs: number; readonly view: TaskView },
  signal: AbortSignal,
): Promise<WebhookAnswer> {
  const { owner } = view.record;
  let secret: string;
  try {
    // Read anew at each attempt: an operator may have mended it meanwhile.
    secret = await secrets.read(signingReference(secretDeclarations, url, owner), signal);
  } catch (error) {
    signal.throwIfAborted();
    return { outcome: 'try_again', reason: error instanceof Error ? error.message : 'its secret cannot be read' };
  }
  return webhooks.send({ url, secret, ...webhookMessage(view, atMs) }, signal);
}
