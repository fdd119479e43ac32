import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Handle, TaskRecord } from '../../src/contracts/task.ts';
import type { Execution, ExecutionPlan } from '../fakes/google/cloud-run-executions.ts';
import { type CloudRunBench, openBench } from './cloud-run-harness.ts';

/** What Cloud Run says of an execution, and what becomes of it in our words. */
describe('how a run on Cloud Run was lost', () => {
  let bench: CloudRunBench;
  beforeAll(async () => {
    bench = await openBench();
  });
  afterAll(() => bench.close());

  const launched = async (
    task: TaskRecord,
    plan?: ExecutionPlan,
  ): Promise<{ handle: Handle; execution: Execution }> => {
    if (plan !== undefined) bench.cloud.plan(plan);
    const handle = await bench.backend.launch(task);
    return { handle, execution: bench.cloud.executionOf(String(handle.execution)) };
  };
  const running = (execution: Execution, index = 0) =>
    expect.poll(() => execution.tasks[index]?.state, { timeout: 10_000 }).toBe('running');
  const ended = (handle: Handle, run?: number) =>
    expect.poll(async () => bench.backend.inspect(handle, run), { timeout: 15_000, interval: 100 });

  test('a container that ends with an error is told with its exit code', async () => {
    const { handle } = await launched(bench.task([7]));
    await ended(handle).toEqual({ state: 'ended', reason: 'its runner ended with exit code 7', exitCode: 7 });
    await ended({ ...handle, task: 0 }).toEqual({
      state: 'ended',
      reason: 'its runner ended with exit code 7',
      exitCode: 7,
    });
  });

  test('a runner whose token had expired is told as that', async () => {
    const { handle } = await launched(bench.task([75]));
    await ended(handle).toMatchObject({ reason: 'its token had expired before it began' });
  });

  test('a runner from which the bucket takes nothing is told as that, and what sets it right', async () => {
    const { handle } = await launched(bench.task([77]));
    await ended(handle).toMatchObject({ reason: expect.stringMatching(/^the bucket refused .*"runyard deploy"/) });
  });

  test('a container that ends well without a result is told as that', async () => {
    const { handle } = await launched(bench.task([0]));
    await ended(handle).toEqual({ state: 'ended', reason: 'its runner ended without a result', exitCode: 0 });
  });

  test('a killed container may be out of memory; one of which Cloud Run says so is', async () => {
    const killed = await launched(bench.task(['sleep']));
    await running(killed.execution);
    expect(await bench.backend.inspect(killed.handle)).toEqual({ state: 'alive' });
    bench.cloud.kill(killed.execution, 0);
    await ended(killed.handle).toEqual({
      state: 'ended',
      reason: 'it was killed (signal 9), as happens where a container is out of memory',
      exitCode: 137,
    });
    const full = await launched(bench.task(['sleep']));
    await running(full.execution);
    bench.cloud.killForMemory(full.execution, 0);
    await ended({ ...full.handle, task: 0 }).toMatchObject({
      state: 'ended',
      code: 'out_of_memory',
      reason: expect.stringMatching(/^its container used more memory than its size has .*2048 MiB/),
    });
  });

  test('cancelled: once it is asked for twice, and of what has ended, it is no error', async () => {
    const task = bench.task(['sleep', 'sleep']);
    const { handle, execution } = await launched(task);
    await running(execution, 1);
    await bench.backend.cancel({ ...handle, task: 0 }, task.id);
    await bench.backend.cancel({ ...handle, task: 1 }, task.id);
    await ended(handle).toEqual({ state: 'ended', reason: 'its execution was cancelled' });
    expect(bench.cloud.requests.filter(({ url }) => url.includes(`${handle.execution}:cancel`))).toHaveLength(1);
    await bench.another({}).cancel(handle, task.id);
  });

  test('one lost run is told while the others go on', async () => {
    const { handle, execution } = await launched(bench.task(['sleep', 3, 'sleep']));
    await running(execution, 2);
    await ended({ ...handle, task: 1 }).toMatchObject({ state: 'ended', exitCode: 3 });
    await ended(handle, 1).toMatchObject({ state: 'ended', exitCode: 3 });
    expect(await bench.backend.inspect({ ...handle, task: 0 })).toEqual({ state: 'alive' });
    expect(await bench.backend.inspect(handle, 2)).toEqual({ state: 'alive' });
    expect(await bench.backend.inspect(handle)).toEqual({ state: 'alive' });
    bench.cloud.remove(execution);
  });

  test('an execution that was deleted by hand can never be asked again', async () => {
    const { handle, execution } = await launched(bench.task(['sleep']));
    await running(execution);
    bench.cloud.remove(execution);
    await ended(handle).toEqual({
      state: 'unknown',
      reason: expect.stringMatching(/gone from Cloud Run: deleted by hand/),
    });
  });

  test('an execution waits for its start, and after a quarter of an hour it never did', async () => {
    const young = await launched(bench.task(['sleep']), { neverStarts: true, createdSecondsAgo: 14 * 60 });
    expect(await bench.backend.inspect(young.handle)).toEqual({ state: 'alive' });
    const old = await launched(bench.task(['sleep']), { neverStarts: true, createdSecondsAgo: 16 * 60 });
    await ended(old.handle, 0).toEqual({ state: 'ended', reason: 'its execution did not start within 15 minutes' });
    const delayed = { type: 'Completed', state: 'CONDITION_PENDING', executionReason: 'DELAYED_START_PENDING' };
    const meant = await launched(bench.task(['sleep']), {
      neverStarts: true,
      createdSecondsAgo: 16 * 60,
      pretend: { conditions: [delayed] },
    });
    expect(await bench.backend.inspect(meant.handle)).toEqual({ state: 'alive' });
  });

  test.each([
    ['CONTAINER_MISSING', 'its image is not there: "runyard deploy" sets it up again'],
    ['CONTAINER_PERMISSION_DENIED', 'Cloud Run may not read its image: "runyard deploy" sets it up again'],
    ['PROGRESS_DEADLINE_EXCEEDED', 'its container did not start in time'],
    ['SECRETS_ACCESS_CHECK_FAILED', 'a secret in the environment of its job cannot be read'],
    ['INTERNAL', 'Cloud Run failed inside'],
  ])('an execution that failed to start for %s', async (failsToStart, reason) => {
    const { handle } = await launched(bench.task([0]), { failsToStart });
    await ended(handle).toEqual({ state: 'ended', reason });
  });

  const completed = (fields: Record<string, unknown>) => ({
    neverStarts: true,
    pretend: { conditions: [{ type: 'Completed', ...fields }] },
  });

  test('deleted, cancelling, or a reason that is new', async () => {
    const deleted = await launched(
      bench.task([0]),
      completed({ state: 'CONDITION_FAILED', executionReason: 'DELETED' }),
    );
    await ended(deleted.handle).toEqual({ state: 'ended', reason: 'its execution was deleted by hand' });
    const going = await launched(
      bench.task([0]),
      completed({ state: 'CONDITION_RECONCILING', executionReason: 'CANCELLING' }),
    );
    expect(await bench.backend.inspect(going.handle)).toEqual({ state: 'alive' });
    const strange = await launched(
      bench.task([0]),
      completed({ state: 'CONDITION_FAILED', message: 'The moon is full.' }),
    );
    await ended(strange.handle).toMatchObject({
      reason: expect.stringMatching(/^its execution runyard-small-\w+ failed \(Cloud Run says: The moon is full\.\)$/),
    });
  });

  test('what Cloud Run cannot tell, or says in a way nobody knows, settles nothing', async () => {
    const polling = await launched(
      bench.task([0]),
      completed({ state: 'CONDITION_FAILED', executionReason: 'JOB_STATUS_SERVICE_POLLING_ERROR' }),
    );
    await expect(bench.backend.inspect(polling.handle)).rejects.toThrow(/cannot tell at the moment/);
    const unknown = await launched(bench.task([0]), completed({ state: 'STATE_UNSPECIFIED' }));
    await expect(bench.backend.inspect(unknown.handle)).rejects.toThrow(/does not know/);
  });

  test("prior A3b E5a: Cloud Run's own time limit is told as that, and is later than the run's own", async () => {
    const task = bench.task(['sleep'], { timeoutSeconds: 86_400 });
    const { execution } = await launched(task);
    expect(execution.spec.timeoutMs).toBe((86_400 + 900) * 1000);
    bench.cloud.remove(execution);
    const message =
      'Terminating task because it has reached the maximum timeout of 3600 seconds. To change this limit, see';
    const late = await launched(bench.task([0]), completed({ state: 'CONDITION_FAILED', message }));
    await ended(late.handle).toEqual({ state: 'ended', reason: "it reached Cloud Run's own time limit" });
  });

  test('a thousand runs are looked at by one question, and by the list of tasks only where one has ended', async () => {
    const { handle } = await launched(bench.task(Array<'sleep'>(1000).fill('sleep')), { neverStarts: true });
    const before = bench.cloud.requests.length;
    const states = await Promise.all(
      Array.from({ length: 1000 }, (_, run) => bench.backend.inspect({ ...handle, task: run })),
    );
    expect(new Set(states.map(({ state }) => state))).toEqual(new Set(['alive']));
    expect(bench.cloud.requests.length - before).toBe(1);
  });
});
