/** One pace for many: whoever wants to do something asks for a turn, and turns are given in the order of asking. */
export interface Pace {
  /** Resolves when it is the caller's turn, after `timeoutMs`, or when the signal is aborted. */
  turn(timeoutMs: number, signal: AbortSignal): Promise<void>;
}

/** Timers are late; turns they missed are given within this time. */
const catchUpMs = 50;

/** At most so many turns a second for all together; at once where nobody else asks. */
export function createPace(perSecond: number): Pace {
  const gapMs = 1000 / perSecond;
  const waiting = new Set<() => void>();
  let nextAtMs = 0;
  let timer: NodeJS.Timeout | undefined;

  const giveTurns = () => {
    clearTimeout(timer);
    timer = undefined;
    const nowMs = performance.now();
    for (const give of waiting) {
      if (nowMs < nextAtMs) break;
      nextAtMs = Math.max(nextAtMs, nowMs - catchUpMs) + gapMs;
      give();
    }
    if (waiting.size > 0) timer = setTimeout(giveTurns, nextAtMs - nowMs);
  };

  return {
    turn(timeoutMs, signal) {
      return new Promise((resolve) => {
        const done = () => {
          waiting.delete(done);
          clearTimeout(patience);
          signal.removeEventListener('abort', done);
          resolve();
        };
        const patience = setTimeout(done, timeoutMs);
        signal.addEventListener('abort', done, { once: true });
        waiting.add(done);
        if (signal.aborted) done();
        else if (timer === undefined) giveTurns();
      });
    },
  };
}
