import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newTaskId } from '../../src/contracts/ids.ts';
import { keys } from '../../src/contracts/keys.ts';
import { createGcsStore } from '../../src/store/gcs/index.ts';
import { startMetadataServer } from '../fakes/google/metadata.ts';
import { type CloudYard, openCloudYard } from './cloud-yard.ts';

/** What a runner may read, and what it does where it may not. */

let yard: CloudYard;
beforeAll(async () => {
  yard = await openCloudYard();
});
afterAll(() => yard.close());

describe('C1: tokens', () => {
  test('a runner reads its own task with its token and nothing else in the bucket', async () => {
    const task = await yard.start('echo hello');
    expect(await yard.resultOf(task)).toMatchObject({ result: { status: 'succeeded', stdout: 'hello\n' } });
    const token = yard.executionsOf(task)[0]!.spec.env.RUNYARD_TASK_TOKEN!;
    const statusOf = async (name: string) => {
      const url = `${yard.google.storage.url}/storage/v1/b/${yard.google.place.bucket}/o/${encodeURIComponent(name)}?alt=media`;
      return (await fetch(url, { headers: { authorization: `Bearer ${token}` } })).status;
    };
    const other = [...yard.objects().keys()].find((name) => name.startsWith('tasks/') && !name.includes(task))!;
    expect(await statusOf(`tasks/${task}/task.json`)).toBe(200);
    expect(await statusOf(other)).toBe(403);
    expect(await statusOf('meta/mac-key')).toBe(403);
  });

  test('a token that has expired before the container starts: nothing is claimed, and a new launch brings another', async () => {
    const expired = Promise.withResolvers<void>();
    yard.google.run.plan({ startsAfter: expired.promise });
    const task = await yard.start('echo later');
    await expect.poll(() => yard.executionsOf(task).length).toBe(1);
    yard.google.expireTokens();
    expired.resolve();
    expect(await yard.resultOf(task)).toMatchObject({ result: { status: 'succeeded', stdout: 'later\n' } });
    const [first, second, ...more] = yard.executionsOf(task);
    expect(first!.tasks[0]!.exitCode).toBe(75);
    expect(yard.google.run.logOf(first!, 0)).toContain('has expired');
    expect(second!.tasks[0]!.exitCode ?? 0).toBe(0);
    expect(more).toEqual([]);
  });

  test('a token that expires while the program runs changes nothing of its result', async () => {
    const task = await yard.start('sleep 2; echo slow; echo kept > output/kept.txt');
    await yard.claimed(task);
    yard.google.expireTokens();
    expect(await yard.resultOf(task)).toMatchObject({
      result: { status: 'succeeded', stdout: 'slow\n', artifacts: [{ path: 'output/kept.txt' }] },
    });
    expect(yard.executionsOf(task)).toHaveLength(1);
  });

  test('a cancel after the token has expired: the runner cannot read why it stops, and the server settles', async () => {
    const task = await yard.start('sleep 50');
    await yard.claimed(task);
    yard.google.expireTokens();
    await yard.served.call('cancel_task', { task_id: task });
    expect(await yard.resultOf(task)).toMatchObject({ result: { status: 'cancelled', error: { code: 'cancelled' } } });
    expect(yard.google.run.logOf(yard.executionsOf(task)[0]!, 0)).toContain('a server settles the run');
  });
});

describe('C2: the metadata server', () => {
  test('prior A8d: does not exist inside the wall, and nothing inside tells of it or of the token', async () => {
    const metadata = await startMetadataServer({
      project: 'a-project',
      email: 'runner@a-project.iam.gserviceaccount.com',
    });
    const code = [
      'import os, urllib.request',
      `for place in ["${metadata.host}", "169.254.169.254", "metadata.google.internal"]:`,
      '    request = urllib.request.Request(f"http://{place}/computeMetadata/v1/", headers={"Metadata-Flavor": "Google"})',
      '    try: print(urllib.request.urlopen(request, timeout=2).status)',
      '    except OSError as error: print("unreachable")',
      'print(sorted(name for name in os.environ if name.startswith(("RUNYARD_", "CLOUD_RUN_", "GCE_"))))',
    ].join('\n');
    const task = await yard.start(code, { language: 'python' });
    expect(await yard.resultOf(task)).toMatchObject({
      result: { stdout: "unreachable\nunreachable\nunreachable\n['RUNYARD_RUN', 'RUNYARD_RUNS']\n" },
    });
    expect(metadata.requests).toEqual([]);
    await metadata.close();
  });
});

describe('what is sealed', () => {
  test('a sealed part that was changed in the bucket is the result of the run, in plain words', async () => {
    const changed = Promise.withResolvers<void>();
    yard.google.run.plan({ startsAfter: changed.promise });
    const task = await yard.start('echo never');
    const { project, bucket: name, endpoints } = yard.google.place;
    const store = createGcsStore({ project, bucket: name, endpoint: endpoints.storage });
    const sealed = (await store.read(keys.sealed(task)))!;
    sealed[sealed.length - 1]! ^= 1;
    await store.remove(keys.sealed(task));
    await store.create(keys.sealed(task), sealed);
    changed.resolve();
    expect(await yard.resultOf(task)).toMatchObject({
      result: {
        status: 'failed',
        error: { code: 'backend_error', message: expect.stringContaining('it was changed') },
      },
    });
  });

  test('a key that the runner may not use any more is the result of the run', async () => {
    const disabled = Promise.withResolvers<void>();
    yard.google.run.plan({ startsAfter: disabled.promise });
    const task = await yard.start('echo never');
    yard.google.kms.setState(yard.google.place.kmsKey, 1, 'DISABLED');
    disabled.resolve();
    const { result } = await yard.resultOf(task);
    yard.google.kms.setState(yard.google.place.kmsKey, 1, 'ENABLED');
    expect(result).toMatchObject({ status: 'failed', error: { code: 'backend_error' } });
    expect(JSON.stringify(result)).toMatch(/disabled/i);
  });
});

/** As somebody does by hand, with the environment of the override. */
async function runByHand(env: Readonly<Record<string, string>>, taskCount: number) {
  const overrides = {
    containerOverrides: [{ env: Object.entries(env).map(([name, value]) => ({ name, value })) }],
    taskCount,
  };
  const url = `${yard.google.run.url}/v2/projects/a-project/locations/europe-west1/jobs/runyard-small:run`;
  expect((await fetch(url, { method: 'POST', body: JSON.stringify({ overrides }) })).status).toBe(200);
  const execution = yard.google.run.executions().at(-1)!;
  await expect.poll(() => execution.completedMs, { timeout: 20_000 }).toBeGreaterThan(0);
  return execution;
}

describe('containers that somebody else started', () => {
  test('a run that is taken, and one that the task does not have, are left alone', async () => {
    const task = await yard.start('echo once');
    await yard.resultOf(task);
    const result = yard.objects().get(keys.result(task, 0));
    const { RUNYARD_TASK, RUNYARD_TASK_TOKEN } = yard.executionsOf(task)[0]!.spec.env;
    const again = await runByHand({ RUNYARD_TASK: RUNYARD_TASK!, RUNYARD_TASK_TOKEN: RUNYARD_TASK_TOKEN! }, 2);
    expect(again.tasks.map(({ exitCode }) => exitCode)).toEqual([0, 1]);
    expect(yard.google.run.logOf(again, 1)).toContain('the task has no such run');
    expect(yard.objects().get(keys.result(task, 0))).toBe(result);
    expect(yard.objects().has(keys.claim(task, 1))).toBe(false);
  });

  test('C1: with the token of another task nothing is read, and that is the result of the run', async () => {
    const other = await yard.start('echo other');
    await yard.resultOf(other);
    yard.google.run.plan({ neverStarts: true });
    const task = await yard.start('echo mine');
    const { RUNYARD_TASK_TOKEN } = yard.executionsOf(other)[0]!.spec.env;
    await runByHand({ RUNYARD_TASK: task, RUNYARD_TASK_TOKEN: RUNYARD_TASK_TOKEN! }, 1);
    expect(await yard.resultOf(task)).toMatchObject({
      result: { status: 'failed', error: { message: expect.stringContaining('storage.objects.get') } },
    });
  });

  test('an environment that says nothing of the bucket ends the runner with the names that are missing', async () => {
    yard.google.run.putJob('projects/a-project/locations/europe-west1/jobs/runyard-small-bare', {
      template: { template: { maxRetries: 0, containers: [{ image: 'an-image' }] } },
    });
    const body = JSON.stringify({
      overrides: { containerOverrides: [{ env: [{ name: 'RUNYARD_TASK', value: newTaskId() }] }] },
    });
    const url = `${yard.google.run.url}/v2/projects/a-project/locations/europe-west1/jobs/runyard-small-bare:run`;
    await fetch(url, { method: 'POST', body });
    const execution = yard.google.run.executions().at(-1)!;
    await expect.poll(() => execution.tasks[0]!.exitCode, { timeout: 20_000 }).toBe(1);
    expect(yard.google.run.logOf(execution, 0)).toMatch(/RUNYARD_BUCKET/);
  });
});
