import { expect, onTestFinished, test } from 'vitest';
import { keys } from '../../../src/contracts/keys.ts';
import { createBench, launchedTask, owner } from './bench.ts';

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

/** Older than the bench keeps tasks. */
const old = { ageMs: 2 * 86_400_000 };

test('an old task that cannot be read keeps no other from being forgotten', async () => {
  const bench = createBench();
  onTestFinished(() => bench.remove());
  const [first, broken, last] = [
    await launchedTask(bench.store, old),
    await launchedTask(bench.store, { ageMs: old.ageMs + 1000 }),
    await launchedTask(bench.store, { ageMs: old.ageMs + 2000 }),
  ];
  await bench.store.remove(keys.record(broken.id));
  await bench.store.create(keys.record(broken.id), 'no JSON');
  await bench.purge();
  expect(await bench.store.list(keys.tasksOf(owner))).toEqual([keys.taskOf(owner, broken.id)]);
  for (const { id } of [first, last]) expect(await bench.store.list(keys.task(id))).toEqual([]);
  expect(bench.warnings).toMatchObject([{ fields: { key: keys.taskOf(owner, broken.id) } }]);
});

test('an old task whose removal was cut short is removed to its end', async () => {
  const bench = createBench();
  onTestFinished(() => bench.remove());
  const { id } = await launchedTask(bench.store, old);
  await bench.store.remove(keys.record(id));
  await bench.purge();
  expect(await bench.store.list(keys.tasksOf(owner))).toEqual([]);
  expect(await bench.store.list(keys.task(id))).toEqual([]);
});

test('what an old task is found by goes last', async () => {
  const bench = createBench();
  onTestFinished(() => bench.remove());
  const record = await launchedTask(bench.store, old);
  await bench.purge();
  const removed = bench.asked.filter(({ what }) => what === 'remove').map(({ key }) => key);
  expect(removed.at(-1)).toBe(keys.taskOf(owner, record.id));
});
