import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Disturbance } from '../fakes/google/server.ts';
import { type CloudYard, openCloudYard } from './cloud-yard.ts';
import { createHome, serve } from './served.ts';

/** Runners, servers and answers get lost on Cloud Run; the truth is told all the same. */

const nextOfRun: (() => Disturbance | undefined)[] = [];
let yard: CloudYard;
beforeAll(async () => {
  yard = await openCloudYard({
    run: { disturb: ({ url }) => (url.includes(':run?') ? nextOfRun.shift()?.() : undefined) },
  });
});
afterAll(() => yard.close());

describe('runners', () => {
  test('prior A3b: a container that is killed loses its run, and out of memory is called by its name', async () => {
    const [killed, full] = [await yard.start('sleep 50'), await yard.start('sleep 50')];
    await Promise.all([yard.claimed(killed), yard.claimed(full)]);
    yard.google.run.kill(yard.executionsOf(killed)[0]!, 0);
    yard.google.run.killForMemory(yard.executionsOf(full)[0]!, 0);
    expect(await yard.resultOf(killed)).toMatchObject({
      result: {
        status: 'failed',
        error: { code: 'runner_lost', message: expect.stringContaining('it was killed (signal 9)') },
      },
    });
    expect(await yard.resultOf(full)).toMatchObject({
      result: {
        status: 'failed',
        error: { code: 'out_of_memory', message: expect.stringContaining('used more memory than its size has') },
      },
    });
  });

  test('of three runs one is lost; the others go on', async () => {
    const task = await yard.start('[ $RUNYARD_RUN = 1 ] && sleep 50; sleep 4; echo done', { runs: 3 });
    await yard.claimed(task, 1);
    yard.google.run.kill(yard.executionsOf(task)[0]!, 1);
    expect(await yard.resultOf(task)).toMatchObject({
      result: {
        status: 'failed',
        runs: [
          { status: 'succeeded', stdout: 'done\n' },
          { status: 'failed', error: { code: 'runner_lost' } },
          { status: 'succeeded', stdout: 'done\n' },
        ],
      },
    });
    expect(yard.executionsOf(task)).toHaveLength(1);
  });

  test('an execution that is deleted by hand, or cancelled by hand, is told as that', async () => {
    const [deleted, cancelled] = [await yard.start('sleep 50'), await yard.start('sleep 50')];
    await Promise.all([yard.claimed(deleted), yard.claimed(cancelled)]);
    yard.google.run.remove(yard.executionsOf(deleted)[0]!);
    const { name } = yard.executionsOf(cancelled)[0]!;
    await fetch(`${yard.google.run.url}/v2/${name}:cancel`, { method: 'POST', body: '{}' });
    expect(await yard.resultOf(deleted)).toMatchObject({
      result: { error: { code: 'runner_lost', message: expect.stringContaining('deleted by hand') } },
    });
    expect(await yard.resultOf(cancelled)).toMatchObject({
      result: { status: 'failed', error: { code: 'runner_lost', message: expect.stringContaining('was stopped') } },
    });
  });
});

describe('servers and answers', () => {
  test('an answer to RunJob that is lost: the runner comes all the same, and the task runs once', async () => {
    nextOfRun.push(() => ({ kind: 'cut', carriedOut: true }));
    const task = await yard.start('echo once');
    expect(await yard.resultOf(task)).toMatchObject({ result: { status: 'succeeded', stdout: 'once\n' } });
    expect(yard.executionsOf(task)).toHaveLength(1);
  });

  test('the server is killed between RunJob and its answer: another one tells the truth', async () => {
    const own = createHome();
    const first = await serve(own.home, yard.google.env);
    const killer: Disturbance = {
      kind: 'damage',
      change(body) {
        process.kill(first.pid, 'SIGKILL');
        return body;
      },
    };
    nextOfRun.push(() => killer);
    const before = yard.google.run.executions().length;
    const call = first.client.callTool({
      name: 'execute_code',
      arguments: { language: 'bash', code: 'sleep 1; echo survived', idempotency_key: 'killed' },
    });
    call.catch(() => undefined);
    await expect.poll(() => yard.google.run.executions().length, { timeout: 10_000 }).toBe(before + 1);
    const task = yard.google.run.executions().at(-1)!.spec.env.RUNYARD_TASK!;
    const second = await serve(own.home, yard.google.env);
    expect(await yard.resultOf(task, second)).toMatchObject({ result: { status: 'succeeded', stdout: 'survived\n' } });
    const again = { language: 'bash', code: 'sleep 1; echo survived', idempotency_key: 'killed' };
    expect(await second.call('execute_code', again)).toMatchObject({ task_id: task, stdout: 'survived\n' });
    expect(yard.executionsOf(task)).toHaveLength(1);
    await second.close();
    own.remove();
  });

  test('a job that is not there is the error of the call, and the end of its task', async () => {
    const own = createHome();
    const lonely = await serve(own.home, { ...yard.google.env, RUNYARD_JOB: 'nobody' });
    const text = await lonely.refusal('execute_code', { language: 'bash', code: 'true' });
    expect(text).toContain('Cloud Run has no projects/a-project/locations/europe-west1/jobs/nobody-small');
    expect(text).toContain('runyard deploy');
    expect(await lonely.call('list_tasks', { limit: 1 })).toMatchObject({ tasks: [{ status: 'failed' }] });
    await lonely.close();
    own.remove();
  });

  test('a quota that is used up leaves the task queued, and it runs when there is room again', async () => {
    yard.google.run.setQuota({ runsPerMinute: 0, retrySeconds: 2 });
    const task = await yard.start('echo patient');
    expect(await yard.served.call('get_task_logs', { task_id: task })).toMatchObject({ status: 'queued' });
    yard.google.run.setQuota({ runsPerMinute: 180 });
    expect(await yard.resultOf(task)).toMatchObject({ result: { status: 'succeeded', stdout: 'patient\n' } });
    expect(yard.executionsOf(task)).toHaveLength(1);
  });
});
