import { afterAll, beforeAll, expect, test } from 'vitest';
import { keys } from '../../src/contracts/keys.ts';
import { type CloudBench, openCloudBench } from '../bench/cloud.ts';
import { contention } from '../bench/load.ts';
import { median } from '../bench/statistics.ts';

/** How soon a call leaves for Cloud Run and its result comes back, and how little many runs ask for. */

let bench: CloudBench;
beforeAll(async () => {
  bench = await openCloudBench();
});
afterAll(() => bench.close());

// The promise is 60 ms p50; the bound leaves room for a machine that does other things besides.
test('RunJob leaves within 60 ms of the call once the server is warm; the bound here is 150, alone', async () => {
  const busy = contention();
  for (let call = 0; call < 10; call++) await bench.msUntilRunJob();
  const times: number[] = [];
  for (let call = 0; call < 30; call++) times.push(await bench.msUntilRunJob());
  console.info(`RunJob leaves after ${median(times).toFixed(1)} ms p50`);
  expect(median(times)).toBeLessThan(150 * Math.max(busy, contention()));
});

test('a result is with its caller within 400 ms of being in the bucket; the bound here is 1000, alone', async () => {
  const busy = contention();
  const times: number[] = [];
  for (const seconds of [0, 0.3, 0.7, 1, 1.5, 2, 3]) times.push(await bench.msUntilTold(seconds));
  console.info(`a result is told after ${median(times)} ms p50: ${times.join(', ')}`);
  expect(median(times)).toBeLessThan(1000 * Math.max(busy, contention()));
});

test('a thousand runs are one RunJob call, and write what one run writes, the sealed part once', async () => {
  const { google, served } = bench;
  const storage = google.storageServer!;
  const asked = async (runs: number) => {
    google.run.plan({ neverStarts: true });
    const [calls, requests] = [google.run.requests.length, storage.requests.length];
    const input = { language: 'bash', code: 'true', runs, wait_seconds: 0 };
    const { task_id } = await served.call('execute_code', input);
    const task = String(task_id);
    await expect.poll(() => storage.objects(google.place.bucket).has(keys.launchHandle(task, 0))).toBe(true);
    const runJobs = google.run.requests.slice(calls).filter(({ url }) => url.includes(':run?'));
    const keysOfTask = [...storage.objects(google.place.bucket).keys()].filter((key) => key.includes(task));
    const writes = storage.requests.slice(requests).filter(({ method, url }) => method !== 'GET' && url.includes('/o'));
    return {
      taskCounts: runJobs.map(({ body }) => JSON.parse(body).overrides.taskCount),
      sealed: keysOfTask.filter((key) => key.startsWith('sealed/')).length,
      objects: keysOfTask.length,
      writes: writes.length,
    };
  };
  const one = await asked(1);
  expect(one).toMatchObject({ taskCounts: [1], sealed: 1, writes: one.objects });
  expect(await asked(1000)).toEqual({ ...one, taskCounts: [1000] });
});
