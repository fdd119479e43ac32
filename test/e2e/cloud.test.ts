import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Google, startGoogle } from '../fakes/google/yard.ts';
import { createHome, type Served, serve, wholeLog } from './served.ts';

/** The tools on Cloud Run: the built server, Google's own clients, the real runner in every container. */

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

test('a program runs in a container, and its answer comes back through the bucket', async () => {
  const code =
    'open("output/sum.txt", "w").write(str(sum(range(10))))\nprint("hello")\nimport sys\nprint("oh", file=sys.stderr)';
  const answer = await served.call('execute_code', { language: 'python', code });
  expect(answer).toMatchObject({
    status: 'succeeded',
    success: true,
    exit_code: 0,
    stdout: 'hello\n',
    stderr: 'oh\n',
    artifacts: [{ path: 'output/sum.txt', text: '45', size_bytes: 2 }],
    sandbox: { technology: 'bubblewrap' },
  });
  const artifact = await served.call('read_artifact', { task_id: answer.task_id, path: 'output/sum.txt' });
  expect(artifact).toMatchObject({ text: '45' });
  expect(google.run.executions()).toHaveLength(1);
});

test('a failing program is told as it failed', async () => {
  const answer = await served.call('execute_code', { language: 'python', code: 'x = 1\nx / 0' });
  expect(answer).toMatchObject({
    status: 'failed',
    success: false,
    exit_code: 1,
    error: { type: 'ZeroDivisionError', line: 2 },
  });
  // For the platform the container did its work: what a program did is told by its result alone.
  const [execution] = google.run.executions().slice(-1);
  await expect.poll(() => execution!.tasks[0]!.exitCode, { timeout: 10_000 }).toBe(0);
});

test('a program that takes too long is stopped by the runner, not by the platform', async () => {
  const answer = await served.call('execute_code', { language: 'bash', code: 'sleep 50', timeout_seconds: 2 });
  expect(answer).toMatchObject({ status: 'timed_out', error: { code: 'timed_out' } });
});

test('its lines can be followed while it runs', async () => {
  const code = 'for n in 1 2 3 4 5; do echo line $n; sleep 0.3; done';
  const { task_id: taskId } = await served.call('execute_code', { language: 'bash', code, wait_seconds: 0 });
  const { lines, status } = await wholeLog(served, String(taskId));
  expect(lines).toEqual(['line 1', 'line 2', 'line 3', 'line 4', 'line 5']);
  expect(status).toBe('succeeded');
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

test('three runs are one execution of three tasks; the index of each is its number', async () => {
  const before = google.run.executions().length;
  const code = 'echo run $RUNYARD_RUN of $RUNYARD_RUNS; [ $RUNYARD_RUN != 1 ]';
  const answer = await served.call('execute_code', { language: 'bash', code, runs: 3 });
  expect(answer).toMatchObject({
    status: 'failed',
    runs: [
      { run: 0, status: 'succeeded', stdout: 'run 0 of 3\n' },
      { run: 1, status: 'failed', stdout: 'run 1 of 3\n' },
      { run: 2, status: 'succeeded', stdout: 'run 2 of 3\n' },
    ],
  });
  expect(google.run.executions().length - before).toBe(1);
});
