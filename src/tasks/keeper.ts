import { type TaskId, taskCreatedAtMs } from '../contracts/ids.ts';
import { keys, taskIdOfKey } from '../contracts/keys.ts';
import { readKeyRecord, readRecord } from './objects.ts';
import { type Recovering, removeRemains, removeTask, sweep } from './recover.ts';

/** What a server does besides answering calls: brings tasks to their truth, and forgets those that are too old. */
export interface Keeper {
  /** Looks at every unfinished task soon; a look under way is followed by another. */
  sweepSoon(): void;
  /** Resolves when no sweep is under way any more. */
  close(): Promise<void>;
}

const sweepEveryMs = 30_000;
const purgeEveryMs = 3_600_000;
/** After their last use. */
const inputsKeptMs = 7 * 24 * 3_600_000;
/** The first client's first question comes before the first sweep. */
const firstSweepAfterMs = 500;
const firstPurgeAfterMs = 5000;

export function startKeeper(context: Recovering): Keeper {
  const stop = new AbortController();

  /** One after the other: two at once would ask the backend twice. */
  const inTurn = (what: string, work: () => Promise<void>) => {
    let working = Promise.resolve();
    /** One that has not begun is the same as one that is asked for again. */
    let isWaiting = false;
    const soon = () => {
      if (isWaiting) return;
      isWaiting = true;
      working = working
        .then(() => {
          isWaiting = false;
          return stop.signal.aborted ? undefined : work();
        })
        .catch((error: unknown) => context.log.warn({ error }, `${what} failed; it is tried again`));
    };
    return { soon, done: () => working };
  };
  // A thousand old tasks in a bucket are forgotten in minutes, for which no new one waits.
  const sweeps = inTurn('a sweep', () => sweep(context));
  const purges = inTurn('forgetting old tasks', () => purge(context, stop.signal));
  const sweepSoon = () => sweeps.soon();
  const purgeSoon = () => purges.soon();

  const timers = [
    setTimeout(sweepSoon, firstSweepAfterMs),
    setInterval(sweepSoon, sweepEveryMs),
    setTimeout(purgeSoon, firstPurgeAfterMs),
    setInterval(purgeSoon, purgeEveryMs),
  ];
  for (const timer of timers) timer.unref();

  return {
    sweepSoon,
    async close() {
      stop.abort();
      timers.forEach(clearTimeout);
      await Promise.all([sweeps.done(), purges.done()]);
    },
  };
}

/**
 * Removes every task past its retention, and the idempotency keys that name one. What fails with one is logged, and stops
 * no other. Exported for its test.
 */
export async function purge(context: Recovering, signal: AbortSignal): Promise<void> {
  const { store, retentionMs, log } = context;
  const tooOld = (id: string) => Date.now() - taskCreatedAtMs(id) > retentionMs;
  const each = async (prefix: string, work: (key: string) => Promise<void>) => {
    for (const key of await store.list(prefix)) {
      if (signal.aborted) return;
      await work(key).catch((error: unknown) => log.warn({ key, error }, 'what is too old could not be removed now'));
    }
  };
  await each(keys.owners, async (key) => {
    const id = taskIdOfKey(key);
    if (tooOld(id)) await removeListed(context, key, id);
  });
  if (!signal.aborted) await store.expire(keys.allInputs, inputsKeptMs);
  await each(keys.allIdempotency, async (key) => {
    const known = await readKeyRecord(store, key);
    if (known !== undefined && tooOld(known.task)) await store.remove(key);
  });
}

// --- Internal helpers ---

/** Without a record it is what a submit or an earlier removal left behind. */
async function removeListed(context: Recovering, key: string, id: TaskId): Promise<void> {
  const record = await readRecord(context.store, id);
  if (record !== undefined) return removeTask(context, record);
  await removeRemains(context, id);
  await context.store.remove(key);
}
