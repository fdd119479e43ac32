import { setTimeout as delay } from 'node:timers/promises';

/** Until when one call tries again; the clock starts at the first failure. */
export interface Patience {
  /** Waits and resolves to true; resolves to false at once where the wait would end too late. Rejects on abort. */
  wait(delayMs: number): Promise<boolean>;
}

export function createPatience(totalMs: number, signal: AbortSignal): Patience {
  const clock = { endsAtMs: Number.NaN };
  return {
    async wait(delayMs) {
      if (Number.isNaN(clock.endsAtMs)) clock.endsAtMs = performance.now() + totalMs;
      if (performance.now() + delayMs > clock.endsAtMs) return false;
      await delay(delayMs, undefined, { signal });
      return true;
    },
  };
}
