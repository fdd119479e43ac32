import { expect, test } from 'vitest';
import { concurrently } from '../../../src/lib/concurrently.ts';

const tick = () => new Promise((resolve) => setImmediate(resolve));

test('never more at once than the limit, and the answers stand in order', async () => {
  const seen = { running: 0, most: 0 };
  const answers = await concurrently(
    Array.from({ length: 50 }, (_, n) => n),
    7,
    async (n) => {
      seen.most = Math.max(seen.most, ++seen.running);
      for (let turns = n % 5; turns >= 0; turns--) await tick();
      seen.running--;
      return n * 2;
    },
  );
  expect(seen.most).toBe(7);
  expect(answers).toEqual(Array.from({ length: 50 }, (_, n) => n * 2));
});

test('nothing is begun after a failure', async () => {
  const begun: number[] = [];
  const work = concurrently([0, 1, 2, 3, 4, 5, 6, 7], 2, async (n) => {
    begun.push(n);
    await tick();
    if (n === 2) throw new Error('two');
  });
  await expect(work).rejects.toThrow('two');
  for (let turns = 0; turns < 10; turns++) await tick();
  expect(Math.max(...begun)).toBeLessThanOrEqual(4);
});

test('no items, no work', async () => {
  expect(await concurrently([], 3, () => Promise.reject(new Error('never')))).toEqual([]);
});
