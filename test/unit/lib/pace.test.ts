import { expect, test } from 'vitest';
import { createPace } from '../../../src/lib/pace.ts';

const never = new AbortController().signal;
const longMs = 60_000;

test('whoever is alone has a turn at once', async () => {
  const pace = createPace(1);
  const begun = performance.now();
  await pace.turn(longMs, never);
  expect(performance.now() - begun).toBeLessThan(500);
});

test('many have their turns at the pace, in the order of asking', async () => {
  const perSecond = 200;
  const pace = createPace(perSecond);
  const turns: number[] = [];
  const begun = performance.now();
  await Promise.all(Array.from({ length: 150 }, async (_, n) => pace.turn(longMs, never).then(() => turns.push(n))));
  const seconds = (performance.now() - begun) / 1000;
  expect(turns).toEqual(turns.toSorted((a, b) => a - b));
  // What was free before counts, and no more than that.
  expect(150 / seconds).toBeLessThan(perSecond * 1.1 + 10 / seconds);
});

test('who asks often waits behind who asks first', async () => {
  const pace = createPace(100);
  const counts = { greedy: 0, modest: 0 };
  const until = performance.now() + 600;
  const keepAsking = async (who: keyof typeof counts) => {
    while (performance.now() < until) {
      await pace.turn(longMs, never);
      counts[who]++;
    }
  };
  await Promise.all([...Array(9).fill('greedy'), 'modest'].map(keepAsking));
  expect(counts.modest).toBeGreaterThanOrEqual(Math.floor(counts.greedy / 9) - 2);
});

test('a wait for a turn ends at its deadline and with its signal, and gives its place away', async () => {
  const pace = createPace(1);
  await Promise.all(Array.from({ length: 1 }, () => pace.turn(longMs, never)));
  const stop = new AbortController();
  const waits = [pace.turn(20, never), pace.turn(longMs, stop.signal)];
  setTimeout(() => stop.abort(), 30);
  const begun = performance.now();
  await Promise.all(waits);
  expect(performance.now() - begun).toBeLessThan(900);
  await pace.turn(longMs, AbortSignal.abort());
});
