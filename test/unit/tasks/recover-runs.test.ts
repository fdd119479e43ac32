import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { RunyardError } from '../../../src/contracts/errors.ts';
import { keys } from '../../../src/contracts/keys.ts';
import type { TaskRecord, TaskSpec } from '../../../src/contracts/task.ts';
import { type Bench, claimed, createBench, ended, launchedTask, owner, resultOf } from './bench.ts';

/** Each run of a task comes to its own truth, and a thousand of them cost no more than they must. */

let bench: Bench;
beforeEach(() => {
  bench = createBench();
});
afterEach(() => bench.remove());

const never = new AbortController().signal;
const caller = { owner };
const minute = 60_000;

const resultOfRun = ({ id }: TaskRecord, run: number) => bench.tasks.result(id, caller, run);
const resultKeys = ({ id }: TaskRecord) => bench.store.list(keys.results(id));

/** An hour of work in several runs, begun a minute ago. */
const longTask = (runs: number, more: Partial<TaskRecord> = {}) =>
  launchedTask(bench.store, { runs, ageMs: minute, timeoutSeconds: 3600, ...more });

test('one lost run is settled while the others go on', async () => {
  const record = await longTask(3);
  for (const run of [0, 1, 2]) await claimed(bench.store, record, run);
  const lost = { state: 'ended', reason: 'its container was killed' } as const;
  bench.far.says = (handle, run) => (run === 1 || handle.index === 1 ? lost : { state: 'alive' });
  expect(await bench.tasks.look(record.id, caller)).toMatchObject({ status: 'running', runsEnded: 1 });
  expect((await resultOfRun(record, 1))?.error).toMatchObject({
    code: 'runner_lost',
    message: expect.stringContaining('its container was killed'),
  });
  expect(await resultKeys(record)).toHaveLength(1);
});

test.each([
  [1, 0.9, 'waits'],
  [1, 1.1, 'is launched'],
  [3, 0.9, 'waits'],
  [3, 1.1, 'is launched'],
  [5, 3.9, 'waits'],
  [5, 4.1, 'is launched'],
  [6, 7.9, 'waits'],
  [6, 8.1, 'is given up'],
])('a task whose %i launches were never answered, the last %d minutes ago, %s', async (launches, minutes, becomes) => {
  const record = await launchedTask(bench.store, { ageMs: 40 * minute, timeoutSeconds: 3600 });
  const at = new Date(Date.now() - minutes * minute).toISOString();
  await bench.store.remove(keys.launchHandle(record.id, 0));
  for (let k = 0; k < launches; k++) {
    await bench.store.remove(keys.launch(record.id, k));
    await bench.store.create(keys.launch(record.id, k), JSON.stringify({ at, by: 'a server' }));
  }
  await bench.sweep();
  expect(bench.far.launches).toHaveLength(becomes === 'is launched' ? 1 : 0);
  expect((await resultOfRun(record, 0))?.error?.message).toBe(
    becomes === 'is given up'
      ? 'The task was launched 6 times and no runner began it: its launch was never answered.'
      : undefined,
  );
});

test('a backend that knows why a run was lost is believed', async () => {
  const record = await longTask(2);
  for (const run of [0, 1]) await claimed(bench.store, record, run);
  bench.far.says = (_, run) =>
    run === 0 ? { state: 'alive' } : { state: 'ended', reason: 'memory', code: 'out_of_memory' };
  await bench.sweep();
  expect((await resultOfRun(record, 1))?.error?.code).toBe('out_of_memory');
});

test('a run that wrote its result between the look and its end keeps it', async () => {
  const record = await longTask(2);
  for (const run of [0, 1]) await claimed(bench.store, record, run);
  bench.far.says = (handle) => {
    if (handle.index === 1) void ended(bench.store, record, resultOf(1));
    return handle.index === 0 ? { state: 'alive' } : { state: 'ended', reason: 'done' };
  };
  await bench.sweep();
  expect(await resultOfRun(record, 1)).toMatchObject({ status: 'succeeded' });
});

test('a look at a thousand healthy runs reads no claim of them', async () => {
  const record = await longTask(1000);
  for (let run = 0; run < 900; run++) await claimed(bench.store, record, run);
  expect(await bench.tasks.look(record.id, caller)).toMatchObject({ status: 'running', runsEnded: 0 });
  const reads = bench.asked.filter(({ what }) => what === 'read' || what === 'list').map(({ key }) => key);
  expect(reads.length).toBeLessThanOrEqual(9);
  expect(reads.filter((key) => /claims\/\d/.test(key))).toEqual([]);
});

describe('a run whose runner left without a claim, while the others go on', () => {
  const leave = (left: number) => {
    bench.far.says = (_, run) =>
      run === left ? { state: 'ended', reason: 'its token had expired' } : { state: 'alive' };
  };

  test('is launched anew', async () => {
    const record = await longTask(3);
    await claimed(bench.store, record, 0);
    leave(2);
    await bench.sweep();
    expect(bench.far.launches).toEqual([record.id]);
    expect(await bench.store.read(keys.launchHandle(record.id, 1))).toBeDefined();
    expect(await resultKeys(record)).toEqual([]);
  });

  test('is given up after three launches; those that may still begin are not', async () => {
    const record = await longTask(3);
    await claimed(bench.store, record, 0);
    for (const k of [1, 2]) {
      await bench.store.create(keys.launch(record.id, k), JSON.stringify({ at: record.createdAt, by: 'a server' }));
      await bench.store.create(keys.launchHandle(record.id, k), JSON.stringify({ launch: k }));
    }
    leave(2);
    await bench.sweep();
    expect(bench.far.launches).toEqual([]);
    expect(await resultKeys(record)).toEqual([keys.result(record.id, 2)]);
    expect((await resultOfRun(record, 2))?.error).toMatchObject({
      code: 'backend_error',
      message: expect.stringContaining('its token had expired'),
    });
  });
});

test('a launch that the backend had no room for does not count, and is tried again', async () => {
  const record = await longTask(1);
  await bench.store.remove(keys.launch(record.id, 0));
  await bench.store.remove(keys.launchHandle(record.id, 0));
  const { launch } = bench.far;
  bench.far.launch = () => Promise.reject(new RunyardError('rate_limited'));
  for (let sweeps = 0; sweeps < 4; sweeps++) await bench.sweep();
  expect(await bench.store.list(keys.launches(record.id))).toEqual([]);
  bench.far.launch = launch;
  await bench.sweep();
  expect(bench.far.launches).toEqual([record.id]);
});

test('a refusal that only an operator can mend ends the task with its own words, whenever it comes', async () => {
  const record = await longTask(2);
  await claimed(bench.store, record, 0);
  await bench.store.remove(keys.launch(record.id, 0));
  await bench.store.remove(keys.launchHandle(record.id, 0));
  bench.far.launch = () => Promise.reject(new RunyardError('backend_error', 'There is no job.', { retryable: false }));
  await bench.sweep();
  expect(await resultKeys(record)).toEqual([keys.result(record.id, 1)]);
  expect((await resultOfRun(record, 1))?.error).toEqual({ code: 'backend_error', message: 'There is no job.' });
});

test('a first launch that fails and is tried again later says so in the log', async () => {
  bench.far.launch = () => Promise.reject(new Error('the log of the runner cannot be written'));
  const spec: TaskSpec = { kind: 'code', language: 'bash', code: ':', files: [], stdin: '', args: [], env: {} };
  const task = { spec, runs: 1, size: 'small', timeoutSeconds: 5 } as const;
  const id = await bench.tasks.submit(task, caller);
  expect(bench.warnings.filter(({ fields }) => fields.task === id)).toMatchObject([
    { fields: { error: { message: 'the log of the runner cannot be written' } } },
  ]);
});

describe('cancelling a thousand runs', () => {
  test('ends those that nobody began, and wakes the runners of the others once', async () => {
    const record = await longTask(1000, { kind: 'claude' });
    for (let run = 0; run < 10; run++) await claimed(bench.store, record, run);
    const view = await bench.tasks.cancel(record.id, caller, { waitMs: 0, signal: never });
    expect(view).toMatchObject({ status: 'running', runsEnded: 990 });
    expect(bench.far.cancels).toEqual([{ launch: 0 }]);
    // What never began is known to have cost nothing.
    expect(await resultOfRun(record, 999)).toMatchObject({ status: 'cancelled', claude: { costUsd: 0 } });
  });

  test('finds the runners by their claims where the answer to the launch was lost', async () => {
    const record = await longTask(3);
    await bench.store.remove(keys.launchHandle(record.id, 0));
    for (const run of [0, 1]) await claimed(bench.store, record, run);
    await ended(bench.store, record, resultOf(0));
    await bench.tasks.cancel(record.id, caller, { waitMs: 0, signal: never });
    expect(bench.far.cancels).toEqual([{ launch: 0, index: 1 }]);
  });
});

test('a runner that cannot be woken keeps no other running, and the cancelling says what stands and what does not', async () => {
  const record = await longTask(3);
  await bench.store.create(keys.launch(record.id, 1), JSON.stringify({ at: record.createdAt, by: 'a server' }));
  await bench.store.create(keys.launchHandle(record.id, 1), JSON.stringify({ launch: 1 }));
  for (const run of [0, 1]) await claimed(bench.store, record, run);
  const { cancel } = bench.far;
  bench.far.cancel = async (handle, id) => {
    await cancel(handle, id);
    if (handle.launch === 0) throw new RunyardError('backend_error', 'Cloud Run did not answer.', { hint: 'Wait.' });
  };
  await expect(bench.tasks.cancel(record.id, caller, { waitMs: 0, signal: never })).rejects.toMatchObject({
    code: 'backend_error',
    message: expect.stringMatching(/is marked as cancelled, but .* Cloud Run did not answer\./),
    hint: 'Wait. Then cancel it again.',
  });
  expect(bench.far.cancels).toEqual([{ launch: 0 }, { launch: 1 }]);
  expect(await resultKeys(record)).toEqual([keys.result(record.id, 2)]);
});

test('an end that was said by a server that died before it cleared away is cleared away by the sweep', async () => {
  const record = await longTask(2);
  for (const run of [0, 1]) await ended(bench.store, record, resultOf(run));
  expect(await bench.tasks.look(record.id, caller)).toMatchObject({ status: 'succeeded' });
  await bench.store.create(keys.pending(owner, record.id), '');
  await bench.store.create(keys.sealed(record.id), 'left over');
  await bench.sweep();
  expect(await bench.store.list(keys.pendingOf(owner))).toEqual([]);
  expect(await bench.store.read(keys.sealed(record.id))).toBeUndefined();
});

test('a list of tasks reads no result of a task with many runs', async () => {
  const records = [await longTask(100), await longTask(100), await longTask(100)];
  for (const record of records.slice(1)) {
    for (let run = 0; run < 100; run++) await ended(bench.store, record, resultOf(run));
  }
  await bench.tasks.look(records[2]!.id, caller);
  bench.asked.length = 0;
  const { tasks } = await bench.tasks.list(caller, { limit: 10 });
  expect(bench.asked.filter(({ key }) => key.includes('/results/'))).toEqual([]);
  const statusOf = ({ id }: TaskRecord) => tasks.find(({ record }) => record.id === id)?.status;
  // Nobody has counted the runs of the second yet.
  expect(records.map(statusOf)).toEqual(['queued', 'queued', 'succeeded']);
});
