import { afterAll, describe, expect, test } from 'vitest';
import { keys } from '../../../src/contracts/keys.ts';
import type { TaskRecord } from '../../../src/contracts/task.ts';
import { noticingByNews } from '../../../src/tasks/noticing.ts';
import { contention } from '../../bench/load.ts';
import {
  type Asked,
  type Bench,
  type BenchOptions,
  claimed,
  createBench,
  ended,
  launchedTask,
  owner,
  resultOf,
} from './bench.ts';

/** How a server notices what happens where nobody tells it, and what that costs. */

const open: Bench[] = [];
function openBench(options?: BenchOptions): Bench {
  const bench = createBench(options);
  open.push(bench);
  return bench;
}
afterAll(async () => {
  for (const bench of open) await bench.remove();
});

const never = new AbortController().signal;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const caller = { owner };

const isRead = ({ what }: Asked) => what === 'read' || what === 'list';
const readsOf = ({ asked }: Bench, { id }: TaskRecord, untilMs = Number.POSITIVE_INFINITY) =>
  asked.filter((each) => isRead(each) && each.key.includes(id) && each.atMs <= untilMs);

const median = (numbers: readonly number[]) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]!;

test('a result in a bucket is noticed within 400 ms, for at most four reads a second and task', async () => {
  const busy = contention();
  const bench = openBench({ answerMs: 20 });
  const tasks = Array.from({ length: 36 }, (_, n) => ({ lastsMs: 1000 + n * 200 }));
  const waits = tasks.map(async ({ lastsMs }) => {
    const record = await launchedTask(bench.store);
    await claimed(bench.store, record, 0);
    const begun = performance.now();
    const wait = bench.tasks.wait(record.id, caller, { waitMs: 30_000, signal: never });
    await pause(lastsMs);
    await ended(bench.store, record, resultOf(0));
    const there = performance.now();
    const view = await wait;
    expect(view).toMatchObject({ status: 'succeeded', runsEnded: 1, result: { stdout: 'run 0\n' } });
    const allowed = (4 * (there - begun)) / 1000;
    return { noticedMs: performance.now() - there, tooMany: readsOf(bench, record, there).length - allowed };
  });
  const seen = await Promise.all(waits);
  expect(median(seen.map(({ noticedMs }) => noticedMs))).toBeLessThan(400 * Math.max(busy, contention()));
  // What was asked last has its second still before it: one look, and what the backend was asked about.
  expect(Math.max(...seen.map(({ tooMany }) => tooMany))).toBeLessThanOrEqual(3);
});

test('the looks of 300 waits stay under the cap of the server, and each wait has its share', async () => {
  const looksPerSecond = 200;
  const bench = openBench();
  const records = await Promise.all(Array.from({ length: 300 }, () => launchedTask(bench.store)));
  const stop = new AbortController();
  const waits = records.map((record) => bench.tasks.wait(record.id, caller, { waitMs: 55_000, signal: stop.signal }));
  await pause(1000);
  const fromMs = performance.now();
  const looksSince = () => bench.asked.filter(({ key, atMs }) => atMs >= fromMs && key.includes('/results/'));
  await expect.poll(() => looksSince().length, { timeout: 40_000 }).toBeGreaterThan(800);
  const looks = looksSince();
  const seconds = (performance.now() - fromMs) / 1000;
  expect(looks.length / seconds).toBeLessThanOrEqual(looksPerSecond * 1.1);
  expect(looks.length / seconds).toBeGreaterThan((looksPerSecond * 0.5) / contention());
  const perTask = records.map(({ id }) => looks.filter(({ key }) => key.includes(id)).length);
  expect(Math.min(...perTask)).toBeGreaterThanOrEqual(1);
  expect(Math.max(...perTask)).toBeLessThanOrEqual(2 * median(perTask) + 1);
  stop.abort();
  await Promise.all(waits);
});

// What follows counts, and waits for most of its time: all at once.

test.concurrent('a look while waiting is one read of the result; the backend is asked seldom', async () => {
  const bench = openBench();
  const record = await launchedTask(bench.store, { ageMs: 5000 });
  await claimed(bench.store, record, 0);
  await bench.tasks.wait(record.id, caller, { waitMs: 3000, signal: never });
  const keysRead = readsOf(bench, record).map(({ key }) => key);
  const looks = keysRead.filter((key) => key === keys.result(record.id, 0));
  expect(looks.length).toBeGreaterThanOrEqual(4);
  // The record at the start; the claim once for the backend, and once for the status at the end.
  expect(keysRead.filter((key) => key !== keys.result(record.id, 0))).toEqual([
    keys.record(record.id),
    keys.claim(record.id, 0),
    keys.claim(record.id, 0),
  ]);
  expect(bench.far.inspections).toHaveLength(1);
});

test.concurrent('nothing is asked about a task that nobody waits for', async () => {
  const bench = openBench();
  const record = await launchedTask(bench.store);
  const stop = new AbortController();
  const wait = bench.tasks.wait(record.id, caller, { waitMs: 60_000, signal: stop.signal });
  await pause(600);
  stop.abort();
  expect(await wait).toMatchObject({ status: 'queued', runsEnded: 0 });
  bench.asked.length = 0;
  await pause(1500);
  expect(bench.asked.filter(({ key }) => key.includes(record.id))).toEqual([]);
});

test.concurrent('at the deadline the answer is what is true then', async () => {
  const bench = openBench({ noticing: { ...noticingByNews, firstLookMs: 60_000, maxLookMs: 60_000 } });
  const record = await launchedTask(bench.store);
  const wait = bench.tasks.wait(record.id, caller, { waitMs: 2500, signal: never });
  await pause(300);
  await ended(bench.store, record, resultOf(0));
  expect(await wait).toMatchObject({ status: 'succeeded' });
});

test.concurrent('a backend that cannot be asked ends no wait; what the runner writes is told', async ({ expect }) => {
  const bench = openBench({ noticing: { ...noticingByNews, firstLookMs: 100, maxLookMs: 100 } });
  bench.far.says = () => {
    throw new Error('503');
  };
  const record = await launchedTask(bench.store, { ageMs: 5000 });
  await claimed(bench.store, record, 0);
  const wait = bench.tasks.wait(record.id, caller, { waitMs: 10_000, signal: never });
  await expect.poll(() => bench.far.inspections.length).toBeGreaterThan(0);
  await ended(bench.store, record, resultOf(0));
  expect(await wait).toMatchObject({ status: 'succeeded' });
});

describe.concurrent('a task with many runs', () => {
  test('is looked at by one listing, and its results are read when all are there', async ({ expect }) => {
    const bench = openBench();
    const record = await launchedTask(bench.store, { runs: 50 });
    const wait = bench.tasks.wait(record.id, caller, { waitMs: 20_000, signal: never });
    for (let run = 0; run < 49; run++) await ended(bench.store, record, resultOf(run));
    await expect.poll(() => readsOf(bench, record).length).toBeGreaterThan(3);
    const before = readsOf(bench, record).map(({ key }) => key);
    expect(before.slice(0, 2)).toEqual([keys.record(record.id), keys.end(record.id)]);
    expect(new Set(before.slice(2))).toEqual(new Set([keys.results(record.id)]));
    await ended(bench.store, record, resultOf(49));
    expect(await wait).toMatchObject({ status: 'succeeded', runsEnded: 50 });
    expect(readsOf(bench, record).filter(({ key }) => /results\/\d/.test(key))).toHaveLength(50);
  });

  test('tells at the deadline how many have ended', async () => {
    const bench = openBench();
    const record = await launchedTask(bench.store, { runs: 3 });
    await ended(bench.store, record, resultOf(2));
    expect(await bench.tasks.wait(record.id, caller, { waitMs: 0, signal: never })).toEqual({
      record,
      status: 'running',
      runsEnded: 1,
    });
  });

  test('where news comes, is looked at when the last run is heard of, not at each', async ({ expect }) => {
    const bench = openBench({ noticing: { ...noticingByNews, firstLookMs: 60_000, maxLookMs: 60_000 } });
    const record = await launchedTask(bench.store, { runs: 200 });
    const wait = bench.tasks.wait(record.id, caller, { waitMs: 50_000, signal: never });
    await expect
      .poll(() => readsOf(bench, record).filter(({ key }) => key === keys.results(record.id)))
      .toHaveLength(1);
    for (let run = 0; run < 200; run++) {
      await ended(bench.store, record, resultOf(run));
      bench.hints.publish({ task: record.id, run, news: 'ended' });
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await wait).toMatchObject({ status: 'succeeded', runsEnded: 200 });
    expect(readsOf(bench, record).filter(({ key }) => key === keys.results(record.id))).toHaveLength(2);
  });

  test('one of them can be waited for alone', async () => {
    const bench = openBench();
    const record = await launchedTask(bench.store, { runs: 3 });
    const wait = bench.tasks.wait(record.id, caller, { waitMs: 20_000, signal: never, run: 1 });
    await pause(300);
    await ended(bench.store, record, resultOf(1));
    expect(await wait).toMatchObject({ status: 'running', runsEnded: 1 });
    expect(await bench.tasks.result(record.id, caller, 1)).toMatchObject({ stdout: 'run 1\n' });
    expect(await bench.tasks.result(record.id, caller, 2)).toBeUndefined();
    await expect(bench.tasks.result(record.id, caller, 3)).rejects.toMatchObject({ code: 'invalid_request' });
  });
});

describe.concurrent('waiting for lines', () => {
  const line = (seq: number) =>
    `${JSON.stringify({ run: 0, seq, time: new Date().toISOString(), stream: 'stdout', text: `line ${seq}` })}\n`;

  test('asks for names after the last chunk only, and for the result; at most four reads a second', async () => {
    const bench = openBench();
    const record = await launchedTask(bench.store);
    await bench.store.create(keys.eventChunk(record.id, 0, 0), line(0) + line(1));
    const wait = { run: 0, fromSeq: 2, until: 'end of task' as const, waitMs: 20_000, signal: never };
    const begun = performance.now();
    const state = { hasNews: false };
    const news = bench.tasks.waitForEvents(record.id, caller, wait).then(() => {
      state.hasNews = true;
    });
    await pause(3000);
    const reads = readsOf(bench, record);
    const seconds = (performance.now() - begun) / 1000;
    expect(reads.filter(({ key }) => key.endsWith('.jsonl'))).toHaveLength(1);
    // One burst at the start: record, names, the last chunk, the result.
    expect(reads.length - 4).toBeLessThanOrEqual(4 * seconds);
    expect(state.hasNews).toBe(false);
    await bench.store.create(keys.eventChunk(record.id, 0, 2), line(2));
    await news;
    // Its deadline is at 20 s.
    expect(performance.now() - begun).toBeLessThan(15_000);
  });

  test('ends with the run, or with the task, as asked', async () => {
    const bench = openBench();
    const record = await launchedTask(bench.store, { runs: 2 });
    await ended(bench.store, record, resultOf(0));
    const wait = { run: 0, fromSeq: 0, waitMs: 10_000, signal: never };
    await bench.tasks.waitForEvents(record.id, caller, { ...wait, until: 'end of run' });
    const whole = bench.tasks.waitForEvents(record.id, caller, { ...wait, until: 'end of task' });
    expect(await Promise.race([whole, pause(800).then(() => 'still waiting')])).toBe('still waiting');
    await ended(bench.store, record, resultOf(1));
    await whole;
  });
});
