import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RunyardError } from '../../src/contracts/errors.ts';
import { GoogleFailure, serviceDisabled } from '../fakes/google/failure.ts';
import type { Disturbance } from '../fakes/google/server.ts';
import { type CloudRunBench, openBench } from './cloud-run-harness.ts';

/** What Cloud Run refuses, and what the caller is told: what happened, to what, what to do next. */
describe('what Cloud Run refuses', () => {
  let bench: CloudRunBench;
  const next: Disturbance[] = [];
  let denied: string | undefined;
  beforeAll(async () => {
    bench = await openBench({
      disturb: () => next.shift(),
      authorize: ({ permission }) => permission !== denied,
    });
  });
  afterAll(() => bench.close());

  const refusalOf = async (work: () => Promise<unknown>): Promise<RunyardError> => {
    const error = await work().then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(RunyardError);
    return error as RunyardError;
  };
  const refused = async (error: Promise<RunyardError>) => {
    const { code, message, hint, retryable, retryAfterSeconds } = await error;
    return { code, message, hint, retryable, retryAfterSeconds };
  };
  const runs = () => bench.cloud.requests.filter(({ url }) => url.includes(':run?')).length;

  test('a job that is not there: the command that makes it', async () => {
    const backend = bench.another({ place: { job: 'nobody' } });
    expect(await refused(refusalOf(() => backend.launch(bench.task([0]))))).toMatchObject({
      message: 'Cloud Run has no projects/a-project/locations/europe-west1/jobs/nobody-small.',
      hint: 'Make it with "runyard deploy --project a-project --region europe-west1", or check RUNYARD_JOB.',
      retryable: false,
    });
  });

  test('a permission that is missing is named, with the role that holds it', async () => {
    denied = 'run.jobs.runWithOverrides';
    expect(await refused(refusalOf(() => bench.backend.launch(bench.task([0]))))).toMatchObject({
      message:
        'It is forbidden to run projects/a-project/locations/europe-west1/jobs/runyard-small: the account of this process lacks the permission run.jobs.runWithOverrides, or it is not there.',
      hint: expect.stringContaining('grant roles/run.jobsExecutorWithOverrides'),
      retryable: false,
    });
    denied = 'run.executions.get';
    const handle = await bench.backend.launch(bench.task(['sleep']));
    expect(await refused(refusalOf(() => bench.backend.inspect(handle)))).toMatchObject({
      message: expect.stringMatching(/^It is forbidden to look at .* lacks the permission run\.executions\.get, or/),
    });
    denied = 'run.executions.cancel';
    expect(await refused(refusalOf(() => bench.backend.cancel(handle, 'a task')))).toMatchObject({
      message: expect.stringMatching(/^It is forbidden to cancel .* lacks the permission run\.executions\.cancel, or/),
    });
    denied = undefined;
    await bench.backend.cancel(handle, 'a task');
  });

  test('an API that is off, a project that is not there', async () => {
    next.push({ kind: 'fail', failure: serviceDisabled('run.googleapis.com', 'a-project') });
    expect(await refused(refusalOf(() => bench.backend.launch(bench.task([0]))))).toMatchObject({
      message: 'The API run.googleapis.com is switched off in project a-project.',
      hint: expect.stringContaining('gcloud services enable run.googleapis.com --project a-project'),
      retryable: false,
    });
    const info = {
      '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
      reason: 'CONSUMER_INVALID',
      domain: 'googleapis.com',
    };
    next.push({
      kind: 'fail',
      failure: new GoogleFailure('PERMISSION_DENIED', 'Project a-project is invalid.', [info]),
    });
    expect(await refused(refusalOf(() => bench.backend.launch(bench.task([0]))))).toMatchObject({
      message: 'There is no project a-project that this server may use.',
      hint: 'Check RUNYARD_PROJECT and the account the server runs as.',
    });
  });

  test('a credential that Google does not take', async () => {
    next.push({ kind: 'refuse', status: 401 });
    expect(await refused(refusalOf(() => bench.backend.launch(bench.task([0]))))).toMatchObject({
      message: 'Google takes no credential of this process, so Cloud Run cannot be asked.',
      hint: expect.stringContaining('gcloud auth application-default login'),
      retryable: false,
    });
  });

  test('the quota of runs: nothing was started, and nothing is asked before the time that Google named', async () => {
    bench.cloud.setQuota({ runsPerMinute: 0 });
    const before = runs();
    const backend = bench.another({});
    const full = await refused(refusalOf(() => backend.launch(bench.task([0]))));
    expect(full).toMatchObject({
      code: 'rate_limited',
      message: "Cloud Run's quota of calls a minute in europe-west1 of project a-project is used up.",
      retryable: true,
    });
    expect(full.retryAfterSeconds).toBe(60);
    bench.cloud.setQuota({ runsPerMinute: 180 });
    expect(await refused(refusalOf(() => backend.launch(bench.task([0]))))).toMatchObject({ code: 'rate_limited' });
    expect(runs() - before).toBe(1);
  });

  test('a job that is being changed at the moment is asked again, and left for later where that does not end', async () => {
    const conflict: Disturbance = { kind: 'fail', failure: new GoogleFailure('ABORTED', 'Conflict for resource.') };
    next.push(conflict, conflict);
    await bench.backend.launch(bench.task([0]));
    next.push(...Array<Disturbance>(6).fill(conflict));
    expect(await refused(refusalOf(() => bench.backend.launch(bench.task([0]))))).toMatchObject({
      code: 'rate_limited',
      message: expect.stringContaining('is changing projects/a-project/locations/europe-west1/jobs/runyard-small'),
    });
    await bench.backend.launch(bench.task([0]));
  });

  test.each<[string, Disturbance]>([
    ['503', { kind: 'refuse', status: 503 }],
    ['500', { kind: 'refuse', status: 500 }],
    ['504', { kind: 'refuse', status: 504 }],
    ['a connection that is cut before', { kind: 'cut', carriedOut: false }],
    ['an answer that is lost', { kind: 'cut', carriedOut: true }],
  ])('after %s the run may have started: it is asked for once, and may be launched again later', async (_, trouble) => {
    const before = runs();
    next.push(trouble);
    expect(await refused(refusalOf(() => bench.backend.launch(bench.task([0]))))).toMatchObject({
      code: 'backend_error',
      message: expect.stringContaining('did not answer when asked to run projects/a-project'),
      retryable: true,
    });
    expect(runs() - before).toBe(1);
  });

  test('prior C9a: looking and cancelling change nothing twice, and are tried again', async () => {
    const task = bench.task(['sleep']);
    const handle = await bench.backend.launch(task);
    next.push({ kind: 'refuse', status: 503 }, { kind: 'cut', carriedOut: false });
    expect(await bench.backend.inspect(handle)).toEqual({ state: 'alive' });
    next.push({ kind: 'refuse', status: 429 }, { kind: 'cut', carriedOut: true });
    await bench.backend.cancel(handle, task.id);
    expect(bench.cloud.executionOf(String(handle.execution)).cancelling).toBe(true);
  });

  test('a value above 32 KiB is refused before anything is sent', async () => {
    const before = runs();
    const backend = bench.another({ mintToken: async () => 'x'.repeat(32 * 1024 + 1) });
    expect(await refused(refusalOf(() => backend.launch(bench.task([0]))))).toMatchObject({
      message: 'RUNYARD_TASK_TOKEN is 32769 bytes long; Cloud Run takes 32768 in one environment value.',
      retryable: false,
    });
    expect(runs() - before).toBe(0);
  });

  test('task and token go by environment, never by argument, and nothing is asked of the operation', async () => {
    const task = bench.task([0], { runs: 1, size: 'medium' });
    const before = bench.cloud.requests.length;
    await bench.backend.launch(task);
    const [run, ...more] = bench.cloud.requests.slice(before);
    expect(more).toEqual([]);
    expect(run?.url).toMatch(/^\/v2\/projects\/a-project\/locations\/europe-west1\/jobs\/runyard-medium:run\?/);
    expect(JSON.parse(run!.body)).toEqual({
      overrides: {
        containerOverrides: [
          {
            env: [
              { name: 'RUNYARD_TASK', value: task.id },
              { name: 'RUNYARD_TASK_TOKEN', value: 'a token' },
            ],
          },
        ],
        taskCount: 1,
        timeout: '960s',
      },
    });
  });

  test('the first client is ready ahead of need, and says what it misses', async () => {
    await bench.another({}).warm();
    await expect(bench.another({ place: { job: 'nobody' } }).warm()).rejects.toThrow(/Cloud Run has no .*nobody-small/);
  });
});
