import { setTimeout as delay } from 'node:timers/promises';

export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]!;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** `p50 24.7 ms, p90 31.0`. */
export function inMs(values: readonly number[]): string {
  return `p50 ${median(values).toFixed(1)} ms, p90 ${quantile(values, 0.9).toFixed(1)}`;
}

export async function millisecondsOf(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

/** Gives milliseconds, measured by itself or by `millisecondsOf`. */
type Measure = () => Promise<number>;

export interface Rounds {
  readonly rounds: number;
  /** Before each measurement: what the one before left to do in the background is not the next one's. */
  readonly pauseMs: number;
}

/** Each of the measures once a round, in turn; the order is turned about every other round. The first round is thrown away. */
export async function alternately<Name extends string>(
  measures: Readonly<Record<Name, Measure>>,
  { rounds, pauseMs }: Rounds,
): Promise<Record<Name, number[]>> {
  const names = Object.keys(measures) as Name[];
  const all = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  for (let round = 0; round <= rounds; round += 1) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      await delay(pauseMs);
      const ms = await measures[name]();
      if (round > 0) all[name].push(ms);
    }
  }
  return all;
}
