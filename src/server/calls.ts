import { setTimeout as delay } from 'node:timers/promises';

/** The calls under way, so that a server can end without cutting one off. */
export interface Calls {
  /** Aborted as soon as the server is to end: what its caller can go on with elsewhere ends at once. */
  readonly closing: AbortSignal;
  /** Aborted when the server will not wait any longer: whoever waits for a task answers with what is known. */
  readonly stopping: AbortSignal;
  track<T>(work: Promise<T>): Promise<T>;
  /** Resolves when no call is left; after `deadlineMs` those that wait are told to answer now. */
  drain(deadlineMs: number): Promise<void>;
}

/** What a call that was told to answer may still take. */
const answerMs = 2_000;

export function createCalls(): Calls {
  const close = new AbortController();
  const stop = new AbortController();
  const running = new Set<Promise<unknown>>();

  const idle = async () => {
    while (running.size > 0) await Promise.allSettled(running);
  };
  const idleWithin = async (ms: number) => {
    const patience = new AbortController();
    const timer = delay(ms, undefined, { signal: patience.signal }).catch(() => {});
    await Promise.race([idle(), timer]);
    patience.abort();
  };

  return {
    closing: close.signal,
    stopping: stop.signal,
    async track(work) {
      running.add(work);
      try {
        return await work;
      } finally {
        running.delete(work);
      }
    },
    async drain(deadlineMs) {
      close.abort();
      await idleWithin(deadlineMs);
      stop.abort();
      await idleWithin(answerMs);
    },
  };
}
