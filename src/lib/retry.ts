import { setTimeout as delay } from 'node:timers/promises';

export interface RetryOptions {
  /** No try begins later than this after the first. */
  readonly withinMs: number;
  readonly firstDelayMs: number;
  readonly maxDelayMs: number;
  readonly onFailure: (error: unknown) => void;
}

/** Tries until it succeeds or the time is over; then throws the last failure. Gaps double, with jitter. */
export async function retry<T>(work: () => Promise<T>, options: RetryOptions): Promise<T> {
  const deadline = Date.now() + options.withinMs;
  for (let delayMs = options.firstDelayMs; ; delayMs = Math.min(delayMs * 2, options.maxDelayMs)) {
    try {
      return await work();
    } catch (error) {
      const pauseMs = delayMs * (0.5 + Math.random() / 2);
      if (Date.now() + pauseMs > deadline) throw error;
      options.onFailure(error);
      await delay(pauseMs);
    }
  }
}
