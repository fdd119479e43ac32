import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Google, startGoogle } from '../fakes/google/yard.ts';
import { createHome, type Served, serve } from './served.ts';

/** What is Cloud Run's own of a task: its executions, their ends, SIGTERM. What holds of every engine is in test/tools. */

const { home, remove } = createHome();
let google: Google;
let served: Served;
beforeAll(async () => {
  google = await startGoogle();
  served = await serve(home, google.env);
});
afterAll(async () => {
  await served.close();
  await google.close();
  remove();
});

test('prior A13b C8d: for the platform a container did its work though its program failed, which the result alone tells', async () => {
  const answer = await served.call('execute_code', { language: 'bash', code: 'exit 3' });
  expect(answer).toMatchObject({ status: 'failed', exit_code: 3 });
  const [execution, ...more] = google.run.executions();
  expect(more).toEqual([]);
  await expect.poll(() => execution!.tasks[0]!.exitCode, { timeout: 10_000 }).toBe(0);
});

test('a cancel reaches the container as SIGTERM, and the run ends as cancelled with what it had printed', async () => {
  const code = 'echo begun; sleep 60';
  const { task_id: taskId } = await served.call('execute_code', { language: 'bash', code, wait_seconds: 0 });
  const logs = async () => served.call('get_task_logs', { task_id: taskId, cursor: 'start', wait_seconds: 10 });
  await expect.poll(async () => JSON.stringify((await logs()).lines), { timeout: 20_000 }).toContain('begun');
  expect(await served.call('cancel_task', { task_id: taskId })).toMatchObject({ status: 'cancelled' });
  expect(await served.call('get_task_logs', { task_id: taskId })).toMatchObject({
    result: { status: 'cancelled', stdout: 'begun\n', error: { code: 'cancelled' } },
  });
});

test('a cancel before anything has started costs nothing', async () => {
  google.run.plan({ startDelayMs: 60_000 });
  const { task_id: taskId } = await served.call('execute_code', { language: 'bash', code: 'true', wait_seconds: 0 });
  expect(await served.call('cancel_task', { task_id: taskId })).toMatchObject({ status: 'cancelled' });
  const [execution] = google.run.executions().slice(-1);
  expect(execution!.tasks[0]!.state).toBe('cancelled');
});

test('of three runs each is one task of one execution; the index of each is its number', async () => {
  const before = google.run.executions().length;
  const answer = await served.call('execute_code', { language: 'bash', code: 'echo run $RUNYARD_RUN', runs: 3 });
  expect(answer.runs).toMatchObject([0, 1, 2].map((run) => ({ run, stdout: `run ${run}\n` })));
  const [execution, ...more] = google.run.executions().slice(before);
  expect(more).toEqual([]);
  expect(execution!.tasks.map(({ index }) => index)).toEqual([0, 1, 2]);
});
