import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { boundaryOf, createTaskTokens } from '../../src/backends/cloud-run/task-token.ts';
import type { CloudPlace } from '../../src/contracts/cloud.ts';
import { RunyardError } from '../../src/contracts/errors.ts';
import { newTaskId } from '../../src/contracts/ids.ts';
import { serviceDisabled } from '../fakes/google/failure.ts';
import type { Disturbance } from '../fakes/google/server.ts';
import { type StsServer, startSts } from '../fakes/google/sts.ts';

describe('the token of a task', () => {
  let sts: StsServer;
  const next: Disturbance[] = [];
  let secondsLeft: number | undefined = 3600;
  beforeAll(async () => {
    sts = await startSts({ disturb: () => next.shift(), secondsLeft: () => secondsLeft });
  });
  afterAll(() => sts.close());

  const placeWith = (url: string): CloudPlace => ({
    project: 'a-project',
    region: 'europe-west1',
    job: 'runyard',
    bucket: 'a-bucket',
    kmsKey: 'projects/a-project/locations/europe-west1/keyRings/runyard/cryptoKeys/tasks',
    endpoints: { sts: url },
  });
  const refusalOf = async (work: Promise<unknown>): Promise<RunyardError> => {
    const error = await work.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(RunyardError);
    return error as RunyardError;
  };

  test('C1: it may get what lies under one task and its sealed part, and may not list', async () => {
    const task = newTaskId();
    const token = await createTaskTokens(placeWith(sts.url)).mint(task);
    const rule = (prefix: string) => ({
      availableResource: '//storage.googleapis.com/projects/_/buckets/a-bucket',
      availablePermissions: ['inRole:roles/storage.legacyObjectReader'],
      availabilityCondition: {
        expression: `resource.name.startsWith('projects/_/buckets/a-bucket/objects/${prefix}')`,
      },
    });
    expect(sts.boundaryOf(token)?.rules).toEqual([rule(`tasks/${task}/`), rule(`sealed/${task}`)]);
    expect(sts.requests).toHaveLength(1);
  });

  test('C1: an id that could write into the expression is refused', () => {
    const id = newTaskId();
    for (const wrong of [`${id}') || true || ('`, `${id}/`, id.slice(0, -1), 'task_', '', `${id}x`]) {
      expect(() => boundaryOf('a-bucket', wrong)).toThrow(/is not a task id/);
    }
  });

  test('a service that is busy is asked again', async () => {
    next.push({ kind: 'refuse', status: 503 }, { kind: 'cut', carriedOut: true });
    expect(await createTaskTokens(placeWith(sts.url)).mint(newTaskId())).toMatch(/^ya29/);
  });

  test('an expired credential of the server, an API that is off, another refusal', async () => {
    secondsLeft = undefined;
    const tokens = createTaskTokens(placeWith(sts.url));
    expect(await refusalOf(tokens.mint(newTaskId()))).toMatchObject({
      message: "Google takes no credential of this process, so Google's token service cannot be asked.",
      hint: expect.stringContaining('gcloud auth application-default login'),
      retryable: false,
    });
    secondsLeft = 3600;
    next.push({ kind: 'fail', failure: serviceDisabled('sts.googleapis.com', 'a-project') });
    expect(await refusalOf(tokens.mint(newTaskId()))).toMatchObject({
      message: 'The API sts.googleapis.com is switched off in project a-project.',
      hint: expect.stringContaining('gcloud services enable sts.googleapis.com'),
      retryable: false,
    });
    next.push({ kind: 'refuse', status: 403 });
    expect(await refusalOf(tokens.mint(newTaskId()))).toMatchObject({
      message: expect.stringMatching(/^Google gave no token to read task_/),
      hint: expect.stringContaining('runyard doctor'),
      retryable: false,
    });
  });

  test('without any credential: the command that brings one, and nothing leaves', async () => {
    vi.stubEnv('METADATA_SERVER_DETECTION', 'none');
    vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', undefined);
    vi.stubEnv('CLOUDSDK_CONFIG', '/nonexistent');
    vi.stubEnv('HOME', '/nonexistent');
    onTestFinished(() => void vi.unstubAllEnvs());
    const tokens = createTaskTokens({ ...placeWith(sts.url), endpoints: {} });
    const missing = {
      message: "Google takes no credential of this process, so Google's token service cannot be asked.",
      hint: expect.stringContaining('gcloud auth application-default login'),
      retryable: false,
    };
    expect(await refusalOf(tokens.mint(newTaskId()))).toMatchObject(missing);
    await expect(tokens.warm()).rejects.toThrow(/default credentials/);
  });

  test.each([
    ['ahead of', -11 * 60_000, 11],
    ['behind', 3 * 3_600_000, 180],
  ])('a clock that is %s Google is told, with what to do', async (word, aheadMs, minutes) => {
    const date = new Date(Date.now() + aheadMs).toUTCString();
    const server = createServer((_, response) => response.writeHead(200, { date }).end('{"access_token":"t"}'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const refusal = await refusalOf(createTaskTokens(placeWith(url)).mint(newTaskId()));
      expect(refusal).toMatchObject({
        message: `The clock of this machine is ${minutes} minutes ${word} Google's.`,
        hint: expect.stringContaining('Set it'),
        retryable: false,
      });
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});
