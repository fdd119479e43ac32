import { expect, test } from 'vitest';
import { createPace } from '../../../src/lib/pace.ts';

const never = new AbortController().signal;
const longMs = 60_000;
const nothing = async () => {};
const many = Number.POSITIVE_INFINITY;
/** The next turn is not this test's. */
const perHour = 1 / 3600;

test('whoever is alone has a turn at once', async () => {
  const pace = createPace({ perSecond: perHour, atOnce: many });
  expect(await pace.inTurn(async () => 'done', longMs, never)).toBe('done');
});

test('many have their turns at the pace, in the order of asking', async () => {
  const perSecond = 200;
  const pace = createPace({ perSecond, atOnce: many });
  const turns: number[] = [];
  const begun = performance.now();
  await Promise.all(Array.from({ length: 150 }, async (_, n) => pace.inTurn(async () => turns.push(n), longMs, never)));
  const seconds = (performance.now() - begun) / 1000;
  expect(turns).toEqual(turns.toSorted((a, b) => a - b));
  // What was free before counts, and no more than that.
  expect(150 / seconds).toBeLessThan(perSecond * 1.1 + 10 / seconds);
});

test('who asks often waits behind who asks first', async () => {
  const pace = createPace({ perSecond: 100, atOnce: many });
  const counts = { greedy: 0, modest: 0 };
  const until = performance.now() + 600;
  const keepAsking = async (who: keyof typeof counts) => {
    while (performance.now() < until) {
      await pace.inTurn(nothing, longMs, never);
      counts[who]++;
    }
  };
  await Promise.all([...Array(9).fill('greedy'), 'modest'].map(keepAsking));
  expect(counts.modest).toBeGreaterThanOrEqual(Math.floor(counts.greedy / 9) - 2);
});

test('a wait for a turn ends at its deadline and with its signal, and gives its place away', async () => {
  const pace = createPace({ perSecond: perHour, atOnce: many });
  await pace.inTurn(nothing, longMs, never);
  const stop = new AbortController();
  const waits = [pace.inTurn(nothing, 20, never), pace.inTurn(nothing, longMs, stop.signal)];
  setTimeout(() => stop.abort(), 30);
  await Promise.all(waits);
  await pace.inTurn(nothing, longMs, AbortSignal.abort());
});

test('no more works are under way than may be, and one that fails gives its turn back', async () => {
  const pace = createPace({ perSecond: many, atOnce: 3 });
  const seen = { underWay: 0, most: 0 };
  const work = async () => {
    seen.most = Math.max(seen.most, ++seen.underWay);
    await new Promise((resolve) => setTimeout(resolve, 5));
    seen.underWay--;
    throw new Error('failed');
  };
  const works = await Promise.allSettled(Array.from({ length: 20 }, () => pace.inTurn(work, longMs, never)));
  expect(works.every(({ status }) => status === 'rejected')).toBe(true);
  expect(seen).toEqual({ underWay: 0, most: 3 });
});
