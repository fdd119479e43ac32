import { taskCreatedAtMs } from '../contracts/ids.ts';
import { keys, taskIdOfKey } from '../contracts/keys.ts';
import { readKeyRecord, readRecord } from './objects.ts';
import { type Recovering, removeTask, sweep } from './recover.ts';

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
  // One after the other: two sweeps at once would ask the backend twice.
  let working = Promise.resolve();
  let closed = false;
  /** What has not begun: one that is asked for again meanwhile is the same. */
  const waiting = new Set<string>();

  const soon = (what: string, work: (context: Recovering) => Promise<void>) => {
    if (waiting.has(what)) return;
    waiting.add(what);
    working = working
      .then(() => {
        waiting.delete(what);
        return closed ? undefined : work(context);
      })
      .catch((error: unknown) => context.log.warn({ error }, `${what} failed; it is tried again`));
  };
  const sweepSoon = () => soon('a sweep', sweep);
  const purgeSoon = () => soon('forgetting old tasks', purge);

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
      closed = true;
      timers.forEach(clearTimeout);
      await working;
    },
  };
}

/** Removes every ended task past its retention, and the idempotency keys that name one. Exported for its test. */
export async function purge(context: Recovering): Promise<void> {
  const { store, retentionMs } = context;
  const tooOld = (id: string) => Date.now() - taskCreatedAtMs(id) > retentionMs;
  for (const key of await store.list(keys.owners)) {
    const id = taskIdOfKey(key);
    if (!tooOld(id)) continue;
    const record = await readRecord(store, id);
    if (record === undefined) await store.remove(key);
    else await removeTask(context, record);
  }
  await store.expire(keys.allInputs, inputsKeptMs);
  for (const key of await store.list(keys.allIdempotency)) {
    const known = await readKeyRecord(store, key);
    if (known !== undefined && tooOld(known.task)) await store.remove(key);
  }
}
