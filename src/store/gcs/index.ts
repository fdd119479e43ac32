import type { Store } from '../../contracts/store.ts';
import { patiently, statusOfFailure } from '../../lib/google.ts';
import { once } from '../../lib/once.ts';
import { createPace } from '../../lib/pace.ts';
import { untilAborted } from '../../lib/until-aborted.ts';
import { type GcsPlace, type Insist, openBucket } from './access.ts';
import { blocksOf } from './blocks.ts';
import { creationOf } from './create.ts';
import { download } from './download.ts';
import { type Doing, inWords, isAbsent, isHidden } from './failures.ts';
import { listKeys } from './list.ts';
import { nameOf } from './names.ts';
import { createOfBlocks } from './upload.ts';

export interface GcsStoreOptions extends GcsPlace {
  /** How long what may pass is tried again; 30 s where not given. */
  readonly patienceMs?: number;
  /** After so long a request counts as lost, and a download in which no byte comes; 60 s where not given. */
  readonly attemptTimeoutMs?: number;
}

/** What is larger is sent in blocks of this size, one of them in memory. Google wants a multiple of 256 KiB. */
const blockBytes = 8 * 1024 * 1024;

const removalsAtOnce = 32;

/**
 * Requests under way. A thousand at once would each open a connection, and be answered late and out of order: the rest
 * wait here, where their time has not begun to run.
 */
const requestsAtOnce = 64;

function unlessAbsent(error: unknown): void {
  if (!isAbsent(error)) throw error;
}

/**
 * Objects in a bucket; one that was created is durable. What may pass is tried again; every other failure is a
 * `backend_error` that says what to do next, and so is what does not pass in time. A create that throws may have been
 * carried out. A read token that has ended is `AccessExpired`; one that has shown nothing yet and is refused is
 * `forbidden`.
 */
export function createGcsStore(options: GcsStoreOptions): Store {
  const { patienceMs: withinMs = 30_000, attemptTimeoutMs = 60_000, ...place } = options;
  const { readToken, ownReads, ...ownPlace } = place;
  const access = once(() => openBucket(place));
  const pace = createPace({ perSecond: Number.POSITIVE_INFINITY, atOnce: requestsAtOnce });
  const { signal: never } = new AbortController();
  /** A bucket that answers nothing holds up nobody for longer than one attempt. */
  const inTurn = <T>(request: () => Promise<T>): Promise<T> => pace.inTurn(request, attemptTimeoutMs, never);

  const inOurWords = <T>(doing: Doing, outcome: Promise<T>, asWho: GcsPlace = place): Promise<T> =>
    outcome.catch((error: unknown) => {
      throw inWords(doing, error, asWho);
    });

  /** Google's client waits for ever: it hands its own timeout to a library that ignores it. */
  const insist =
    (doing: Doing): Insist =>
    (attempt) => {
      const inTime = (count: number) => {
        const signal = AbortSignal.timeout(attemptTimeoutMs);
        return untilAborted(attempt(count, signal), signal);
      };
      return inOurWords(
        doing,
        patiently((count) => inTurn(() => inTime(count)), { withinMs }),
      );
    };

  /** Google answers "forbidden" for what is not there to who may not list, which a read token may not. */
  let tokenReads = false;

  const remove = async (key: string) => {
    const { writer } = await access();
    await insist('written')(() => writer.file(nameOf(key).name).delete({ ignoreNotFound: true }));
  };

  return {
    async create(key, data) {
      const creation = creationOf(await access(), key);
      return createOfBlocks(creation, blocksOf(data, blockBytes), insist('written'));
    },

    async persist() {},

    async read(key, range) {
      const { reader, writer } = await access();
      const { name } = nameOf(key);
      const byToken = readToken !== undefined && (ownReads === undefined || !key.startsWith(ownReads));
      const attempt = async () => {
        try {
          const bytes = await download(byToken ? reader : writer, name, { range, silenceMs: attemptTimeoutMs });
          tokenReads ||= byToken;
          return bytes;
        } catch (error) {
          const meansAbsent = byToken ? tokenReads && statusOfFailure(error) === 403 : isHidden(error);
          if (isAbsent(error) || meansAbsent) return undefined;
          throw error;
        }
      };
      return inOurWords(
        'read',
        patiently(() => inTurn(attempt), { withinMs }),
        byToken ? place : ownPlace,
      );
    },

    async list(prefix, options = {}) {
      return listKeys((await access()).reader, prefix, options, insist('read'));
    },

    remove,

    async removeAll(prefix) {
      const keys = (await this.list(prefix)).values();
      const removeNext = async () => {
        for (const key of keys) await remove(key);
      };
      await Promise.all(Array.from({ length: removalsAtOnce }, removeNext));
    },

    async touch(key) {
      const { writer } = await access();
      const file = writer.file(nameOf(key).name);
      await insist('written')(() => file.setMetadata({ customTime: new Date().toISOString() }).catch(unlessAbsent));
    },

    /** The bucket's own lifecycle does that. */
    async expire() {},

    async close() {},
  };
}
