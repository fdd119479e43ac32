import { afterEach, describe, expect, test } from 'vitest';
import { RunyardError } from '../../../src/contracts/errors.ts';
import { newTaskId } from '../../../src/contracts/ids.ts';
import type { TaskRecord } from '../../../src/contracts/task.ts';
import { taskOutput } from '../../../src/contracts/task-output.ts';
import { type Logger, silentLogger } from '../../../src/lib/logger.ts';
import { noticingByLooks } from '../../../src/tasks/noticing.ts';
import { createTroubles } from '../../../src/tasks/troubles.ts';
import { getTaskLogs } from '../../../src/tools/get-task-logs.ts';
import { type Bench, type BenchOptions, claimed, createBench, ended, launchedTask, owner, resultOf } from './bench.ts';

/** A backend that may not be asked: whoever waits or looks is told, and nothing is made up. */

const open: Bench[] = [];
afterEach(async () => {
  for (const bench of open.splice(0)) await bench.remove();
});

const caller = { owner };
const never = new AbortController().signal;
const denied = new RunyardError('backend_error', 'It is forbidden to look at it: run.executions.get is missing.', {
  hint: 'Grant roles/run.viewer.',
  retryable: false,
});
const busy = new RunyardError('backend_error', 'Cloud Run did not answer.');

async function strandedTask(thrown: Error, options?: BenchOptions): Promise<{ bench: Bench; record: TaskRecord }> {
  const bench = createBench(options);
  open.push(bench);
  const record = await launchedTask(bench.store, { ageMs: 5000 });
  await claimed(bench.store, record, 0);
  bench.far.says = () => {
    throw thrown;
  };
  return { bench, record };
}

describe('a permission that is missing', () => {
  const words = /forbidden to look at it: run\.executions\.get is missing\. Grant roles\/run\.viewer\.$/;

  test('is told to whoever waits, and to whoever looks; the task is running all the same', async () => {
    const { bench, record } = await strandedTask(denied);
    const waited = await bench.tasks.wait(record.id, caller, { waitMs: 300, signal: never });
    expect(waited).toMatchObject({ status: 'running', trouble: expect.stringMatching(words) });
    expect(taskOutput(waited).hint).toMatch(words);
    // Also where it is not yet time to ask again.
    expect(await bench.tasks.look(record.id, caller)).toMatchObject({ trouble: expect.stringMatching(words) });
  });

  test.each([
    ['waits for the end', { wait_seconds: 1 }],
    ['follows from a cursor', { cursor: 'start', wait_seconds: 1 }],
  ])('is told by get_task_logs to whoever %s', async (_, fields) => {
    const { bench, record } = await strandedTask(denied);
    const call = { caller, signal: never };
    const { output, text } = await getTaskLogs.call({ task_id: record.id, ...fields }, call, { tasks: bench.tasks });
    expect(output).toMatchObject({ status: 'running', hint: expect.stringMatching(words) });
    expect(text()).toMatch(words);
  });

  test('is told no more once it is there again, nor of a task that has ended', async () => {
    const { bench, record } = await strandedTask(denied);
    await bench.tasks.wait(record.id, caller, { waitMs: 300, signal: never });
    await ended(bench.store, record, resultOf(0));
    const view = await bench.tasks.look(record.id, caller);
    expect(view).toMatchObject({ status: 'succeeded' });
    expect(view).not.toHaveProperty('trouble');
  });
});

test('what may pass by itself is told while it lasts, and is no end of the task', async () => {
  const { bench, record } = await strandedTask(busy, {
    noticing: { ...noticingByLooks, firstInspectionMs: 200, maxInspectionMs: 200 },
  });
  const look = () => bench.tasks.look(record.id, caller);
  expect(await look()).toMatchObject({ status: 'running', trouble: expect.stringContaining('did not answer') });
  bench.far.says = () => ({ state: 'alive' });
  await expect.poll(look, { timeout: 20_000 }).not.toHaveProperty('trouble');
  expect(await look()).toMatchObject({ status: 'running' });
});

describe('troubles', () => {
  const record = (): TaskRecord => ({
    ...{ id: newTaskId(), kind: 'code', owner, backend: 'far', runs: 1, size: 'small', timeoutSeconds: 60 },
    createdAt: new Date().toISOString(),
  });
  const collecting = () => {
    const lines: string[] = [];
    const log: Logger = { ...silentLogger, warn: (_, message) => void lines.push(message) };
    return { lines, troubles: createTroubles(log) };
  };
  const fails = async () => {
    throw denied;
  };

  test('are logged once, and again once they have passed', async () => {
    const { lines, troubles } = collecting();
    const task = record();
    for (let count = 0; count < 3; count++) expect(await troubles.watch(task, fails)).toBe(false);
    expect(lines).toHaveLength(1);
    expect(await troubles.watch(task, async () => true)).toBe(true);
    expect(troubles.of(task)).toBeUndefined();
    await troubles.watch(task, fails);
    expect(lines).toHaveLength(2);
  });

  test('are remembered of the newest thousand tasks', async () => {
    const { troubles } = collecting();
    const tasks = Array.from({ length: 1001 }, record);
    for (const each of tasks) await troubles.watch(each, fails);
    expect(troubles.of(tasks[0]!)).toBeUndefined();
    expect(troubles.of(tasks[1]!)).toBeDefined();
    expect(troubles.of(tasks[1000]!)).toBeDefined();
  });
});
