import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { keys } from '../../src/contracts/keys.ts';
import { createGcsStore } from '../../src/store/gcs/index.ts';
import type { Disturbance } from '../fakes/google/server.ts';
import { type Google, startGoogle } from '../fakes/google/yard.ts';
import { createHome, type Served, serve } from './served.ts';

/** Runners, servers, tokens and answers get lost on Cloud Run; the truth is told all the same. */

const { home, remove } = createHome();
const nextOfRun: (() => Disturbance | undefined)[] = [];
let google: Google;
let served: Served;
beforeAll(async () => {
  google = await startGoogle({
    // Ours looks at the tokens, and lets a test look into the bucket.
    storage: 'ours',
    run: { disturb: ({ url }) => (url.includes(':run?') ? nextOfRun.shift()?.() : undefined) },
  });
  served = await serve(home, google.env);
});
afterAll(async () => {
  await served.close();
  await google.close();
  remove();
});

const bucket = () => google.storageServer!.objects(google.place.bucket);
const lastExecution = () => google.run.executions().at(-1)!;
const start = async (code: string, more: Record<string, unknown> = {}) =>
  String((await served.call('execute_code', { language: 'bash', code, wait_seconds: 0, ...more })).task_id);
/** Asked in short waits: within one long wait the backend is asked ever more seldom. */
const resultOf = async (task: string, by: Served = served) => {
  for (const deadline = Date.now() + 50_000; ; ) {
    const answer = await by.call('get_task_logs', { task_id: task, wait_seconds: 5 });
    if (answer.result !== undefined || Date.now() > deadline) return answer;
  }
};
const claimed = (task: string, run = 0) =>
  expect.poll(() => bucket().has(keys.claim(task, run)), { timeout: 15_000 }).toBe(true);
const executionsOf = (task: string) => google.run.executions().filter(({ spec }) => spec.env.RUNYARD_TASK === task);

describe('runners', () => {
  test('a container that is killed loses its run, and out of memory is called by its name', async () => {
    const [killed, full] = [await start('sleep 50'), await start('sleep 50')];
    await Promise.all([claimed(killed), claimed(full)]);
    google.run.kill(executionsOf(killed)[0]!, 0);
    google.run.killForMemory(executionsOf(full)[0]!, 0);
    expect(await resultOf(killed)).toMatchObject({
      result: {
        status: 'failed',
        error: { code: 'runner_lost', message: expect.stringContaining('it was killed (signal 9)') },
      },
    });
    expect(await resultOf(full)).toMatchObject({
      result: {
        status: 'failed',
        error: { code: 'out_of_memory', message: expect.stringContaining('used more memory than its size has') },
      },
    });
  });

  test('of three runs one is lost; the others go on', async () => {
    const task = await start('[ $RUNYARD_RUN = 1 ] && sleep 50; sleep 4; echo done', { runs: 3 });
    await claimed(task, 1);
    google.run.kill(executionsOf(task)[0]!, 1);
    expect(await resultOf(task)).toMatchObject({
      result: {
        status: 'failed',
        runs: [
          { status: 'succeeded', stdout: 'done\n' },
          { status: 'failed', error: { code: 'runner_lost' } },
          { status: 'succeeded', stdout: 'done\n' },
        ],
      },
    });
    expect(executionsOf(task)).toHaveLength(1);
  });

  test('an execution that is deleted by hand, or cancelled by hand, is told as that', async () => {
    const [deleted, cancelled] = [await start('sleep 50'), await start('sleep 50')];
    await Promise.all([claimed(deleted), claimed(cancelled)]);
    google.run.remove(executionsOf(deleted)[0]!);
    const { name } = executionsOf(cancelled)[0]!;
    await fetch(`${google.run.url}/v2/${name}:cancel`, { method: 'POST', body: '{}' });
    expect(await resultOf(deleted)).toMatchObject({
      result: { error: { code: 'runner_lost', message: expect.stringContaining('deleted by hand') } },
    });
    expect(await resultOf(cancelled)).toMatchObject({
      result: { status: 'failed', error: { code: 'runner_lost', message: expect.stringContaining('was stopped') } },
    });
  });
});

describe('C1: tokens', () => {
  test('a runner reads its own task with its token and nothing else in the bucket', async () => {
    const task = await start('echo hello');
    expect(await resultOf(task)).toMatchObject({ result: { status: 'succeeded', stdout: 'hello\n' } });
    const token = executionsOf(task)[0]!.spec.env.RUNYARD_TASK_TOKEN!;
    const statusOf = async (name: string) => {
      const url = `${google.storage.url}/storage/v1/b/${google.place.bucket}/o/${encodeURIComponent(name)}?alt=media`;
      return (await fetch(url, { headers: { authorization: `Bearer ${token}` } })).status;
    };
    const other = [...bucket().keys()].find((name) => name.startsWith('tasks/') && !name.includes(task))!;
    expect(await statusOf(`tasks/${task}/task.json`)).toBe(200);
    expect(await statusOf(other)).toBe(403);
    expect(await statusOf('meta/mac-key')).toBe(403);
  });

  test('a token that has expired before the container starts: nothing is claimed, and a new launch brings another', async () => {
    google.run.plan({ startDelayMs: 2000 });
    const task = await start('echo later');
    google.expireTokens();
    expect(await resultOf(task)).toMatchObject({ result: { status: 'succeeded', stdout: 'later\n' } });
    const [first, second, ...more] = executionsOf(task);
    expect(first!.tasks[0]!.exitCode).toBe(75);
    expect(google.run.logOf(first!, 0)).toContain('has expired');
    expect(second!.tasks[0]!.exitCode ?? 0).toBe(0);
    expect(more).toEqual([]);
  });

  test('a token that expires while the program runs changes nothing of its result', async () => {
    const task = await start('sleep 2; echo slow; echo kept > output/kept.txt');
    await claimed(task);
    google.expireTokens();
    expect(await resultOf(task)).toMatchObject({
      result: { status: 'succeeded', stdout: 'slow\n', artifacts: [{ path: 'output/kept.txt' }] },
    });
    expect(executionsOf(task)).toHaveLength(1);
  });

  test('a cancel after the token has expired: the runner cannot read why it stops, and the server settles', async () => {
    const task = await start('sleep 50');
    await claimed(task);
    google.expireTokens();
    await served.call('cancel_task', { task_id: task });
    expect(await resultOf(task)).toMatchObject({ result: { status: 'cancelled', error: { code: 'cancelled' } } });
    expect(google.run.logOf(executionsOf(task)[0]!, 0)).toContain('a server settles the run');
  });
});

describe('what is sealed', () => {
  test('a sealed part that was changed in the bucket is the result of the run, in plain words', async () => {
    google.run.plan({ startDelayMs: 500 });
    const task = await start('echo never');
    const { project, bucket: name, endpoints } = google.place;
    const store = createGcsStore({ project, bucket: name, endpoint: endpoints.storage });
    const sealed = (await store.read(keys.sealed(task)))!;
    sealed[sealed.length - 1]! ^= 1;
    await store.remove(keys.sealed(task));
    await store.create(keys.sealed(task), sealed);
    expect(await resultOf(task)).toMatchObject({
      result: {
        status: 'failed',
        error: { code: 'backend_error', message: expect.stringContaining('it was changed') },
      },
    });
  });

  test('a key that the runner may not use any more is the result of the run', async () => {
    google.run.plan({ startDelayMs: 500 });
    const task = await start('echo never');
    google.kms.setState(google.place.kmsKey, 1, 'DISABLED');
    const { result } = await resultOf(task);
    google.kms.setState(google.place.kmsKey, 1, 'ENABLED');
    expect(result).toMatchObject({ status: 'failed', error: { code: 'backend_error' } });
    expect(JSON.stringify(result)).toMatch(/disabled/i);
  });
});

describe('servers and answers', () => {
  test('an answer to RunJob that is lost: the runner comes all the same, and the task runs once', async () => {
    nextOfRun.push(() => ({ kind: 'cut', carriedOut: true }));
    const task = await start('echo once');
    expect(await resultOf(task)).toMatchObject({ result: { status: 'succeeded', stdout: 'once\n' } });
    expect(executionsOf(task)).toHaveLength(1);
  });

  test('the server is killed between RunJob and its answer: another one tells the truth', async () => {
    const own = createHome();
    const first = await serve(own.home, google.env);
    const killer: Disturbance = {
      kind: 'damage',
      change(body) {
        process.kill(first.pid, 'SIGKILL');
        return body;
      },
    };
    nextOfRun.push(() => killer);
    const before = google.run.executions().length;
    const call = first.client.callTool({
      name: 'execute_code',
      arguments: { language: 'bash', code: 'sleep 1; echo survived', idempotency_key: 'killed' },
    });
    call.catch(() => undefined);
    await expect.poll(() => google.run.executions().length, { timeout: 10_000 }).toBe(before + 1);
    const task = lastExecution().spec.env.RUNYARD_TASK!;
    const second = await serve(own.home, google.env);
    expect(await resultOf(task, second)).toMatchObject({ result: { status: 'succeeded', stdout: 'survived\n' } });
    const again = { language: 'bash', code: 'sleep 1; echo survived', idempotency_key: 'killed' };
    expect(await second.call('execute_code', again)).toMatchObject({ task_id: task, stdout: 'survived\n' });
    expect(executionsOf(task)).toHaveLength(1);
    await second.close();
    own.remove();
  });

  test('a job that is not there is the error of the call, and the end of its task', async () => {
    const own = createHome();
    const lonely = await serve(own.home, { ...google.env, RUNYARD_JOB: 'nobody' });
    const text = await lonely.refusal('execute_code', { language: 'bash', code: 'true' });
    expect(text).toContain('Cloud Run has no projects/a-project/locations/europe-west1/jobs/nobody-small');
    expect(text).toContain('runyard deploy');
    expect(await lonely.call('list_tasks', { limit: 1 })).toMatchObject({ tasks: [{ status: 'failed' }] });
    await lonely.close();
    own.remove();
  });

  test('a quota that is used up leaves the task queued, and it runs when there is room again', async () => {
    google.run.setQuota({ runsPerMinute: 0, retrySeconds: 2 });
    const task = await start('echo patient');
    expect(await served.call('get_task_logs', { task_id: task })).toMatchObject({ status: 'queued' });
    google.run.setQuota({ runsPerMinute: 180 });
    expect(await resultOf(task)).toMatchObject({ result: { status: 'succeeded', stdout: 'patient\n' } });
    expect(executionsOf(task)).toHaveLength(1);
  });
});
