/** One pace for the works of many: they have their turns in the order of asking. */
export interface Pace {
  /** Does the work when it is its turn; without a turn after `timeoutMs`, or when the signal is aborted. */
  inTurn<T>(work: () => Promise<T>, timeoutMs: number, signal: AbortSignal): Promise<T>;
}

export interface PaceOptions {
  /** Turns that begin. */
  readonly perSecond: number;
  /** Works under way that had a turn: where they take long, fewer begin. */
  readonly atOnce: number;
}

/** Timers are late; turns they missed are given within this time. */
const catchUpMs = 50;

/** Whoever is alone has a turn at once. */
export function createPace({ perSecond, atOnce }: PaceOptions): Pace {
  const gapMs = 1000 / perSecond;
  const waiting = new Set<() => void>();
  let underWay = 0;
  let nextAtMs = 0;
  let timer: NodeJS.Timeout | undefined;

  const giveTurns = () => {
    clearTimeout(timer);
    timer = undefined;
    const nowMs = performance.now();
    for (const give of waiting) {
      if (underWay >= atOnce) return;
      if (nowMs < nextAtMs) break;
      nextAtMs = Math.max(nextAtMs, nowMs - catchUpMs) + gapMs;
      underWay++;
      give();
    }
    if (waiting.size > 0) timer = setTimeout(giveTurns, nextAtMs - nowMs);
  };

  /** Whether a turn was given, which must be given back. */
  const turn = (timeoutMs: number, signal: AbortSignal) =>
    new Promise<boolean>((resolve) => {
      const finish = (isTurn: boolean) => {
        waiting.delete(give);
        clearTimeout(patience);
        signal.removeEventListener('abort', giveUp);
        resolve(isTurn);
      };
      const give = () => finish(true);
      const giveUp = () => finish(false);
      const patience = setTimeout(giveUp, timeoutMs);
      signal.addEventListener('abort', giveUp, { once: true });
      waiting.add(give);
      if (signal.aborted) giveUp();
      else if (timer === undefined) giveTurns();
    });

  return {
    async inTurn(work, timeoutMs, signal) {
      const isTurn = await turn(timeoutMs, signal);
      try {
        return await work();
      } finally {
        if (isTurn) {
          underWay--;
          if (timer === undefined) giveTurns();
        }
      }
    },
  };
}
