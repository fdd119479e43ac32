import { expect, onTestFinished, test } from 'vitest';
import { keys } from '../../../src/contracts/keys.ts';
import { createBench } from './bench.ts';

test('a sweep that is asked for again and again while one is under way is followed by one more', async () => {
  const bench = createBench({ answerMs: 30 });
  onTestFinished(() => bench.remove());
  const keeper = bench.keeper();
  keeper.sweepSoon();
  await expect.poll(() => bench.asked.length).toBeGreaterThan(0);
  for (let times = 0; times < 10; times++) keeper.sweepSoon();
  await expect.poll(() => bench.asked.length).toBeGreaterThanOrEqual(2);
  await new Promise((resolve) => setTimeout(resolve, 150));
  await keeper.close();
  expect(new Set(bench.asked.map(({ what, key }) => `${what} ${key}`))).toEqual(new Set([`list ${keys.allPending}`]));
  // On a slow machine the keeper's own first sweep comes as well.
  expect(bench.asked.length).toBeLessThanOrEqual(3);
});
