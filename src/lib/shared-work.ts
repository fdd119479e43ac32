import { untilAborted } from './until-aborted.ts';

/** Does the work of that name, or waits for the one under way. The signal ends this caller's waiting alone. */
export type ShareWork<T> = (name: string, work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal) => Promise<T>;

interface UnderWay<T> {
  readonly outcome: Promise<T>;
  readonly stop: AbortController;
  callers: number;
}

/** Whoever wants the same at the same time waits for one work, which is ended only once nobody waits for it any more. */
export function createSharedWork<T>(): ShareWork<T> {
  const allUnderWay = new Map<string, UnderWay<T>>();

  const forget = (name: string, shared: UnderWay<T>) => {
    if (allUnderWay.get(name) === shared) allUnderWay.delete(name);
  };

  const begin = (name: string, work: (signal: AbortSignal) => Promise<T>): UnderWay<T> => {
    const stop = new AbortController();
    const outcome = work(stop.signal).finally(() => forget(name, shared));
    const shared: UnderWay<T> = { outcome, stop, callers: 0 };
    allUnderWay.set(name, shared);
    return shared;
  };

  return async (name, work, signal) => {
    signal.throwIfAborted();
    const shared = allUnderWay.get(name) ?? begin(name, work);
    shared.callers += 1;
    try {
      return await untilAborted(shared.outcome, signal);
    } finally {
      shared.callers -= 1;
      if (shared.callers === 0) {
        forget(name, shared);
        shared.stop.abort(signal.reason);
      }
    }
  };
}
