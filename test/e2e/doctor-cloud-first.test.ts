import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { GoogleFailure } from '../fakes/google/failure.ts';
import { startMetadataServer } from '../fakes/google/metadata.ts';
import { bucket, type DoctorYard, openDoctorYard, project, strangers } from './doctor-yard.ts';

/** What the doctor looks at before anything else: who asks, what time it is, whether the project is one. */

let yard: DoctorYard;
beforeAll(async () => {
  yard = await openDoctorYard();
});
afterAll(() => yard.close());
afterEach(() => yard.calmDown());
beforeEach(() => {
  vi.stubEnv('LOCAL', 'value-of-local');
});
afterEach(() => vi.unstubAllEnvs());

describe('who asks', () => {
  // An address that is no emulator's: credentials are asked for.
  const real = { RUNYARD_SECRET_MANAGER_ENDPOINT: 'https://127.0.0.1:1', RUNYARD_SECRETS: '' };
  beforeEach(() => {
    for (const [name, value] of Object.entries(strangers)) vi.stubEnv(name, value);
  });

  test('the account of a machine is told by its address', async () => {
    const email = `runyard-server@${project}.iam.gserviceaccount.com`;
    const metadata = await startMetadataServer({ project, email });
    onTestFinished(metadata.close);
    vi.stubEnv('METADATA_SERVER_DETECTION', 'assume-present');
    vi.stubEnv('GCE_METADATA_HOST', metadata.host);
    yard.denied.add('storage.objects.list');
    const { at } = await yard.looks(real);
    expect(at['Google login']).toEqual({ state: 'ok', detail: `the service account ${email}` });
    expect(at['rights on bucket']?.remedy).toContain(
      `grant roles/storage.objectUser on the bucket ${bucket} to ${email}`,
    );
  });

  test('nobody: how to become somebody, and nothing that would only repeat it', async () => {
    const { at, canTry } = await yard.looks(real);
    expect(canTry).toBe(false);
    expect(Object.keys(at)).toEqual(['Google login', 'clock']);
    expect(at['Google login']).toMatchObject({
      state: 'missing',
      detail: expect.stringMatching(/^none/),
      remedy: expect.stringMatching(/gcloud auth application-default login.*key file of runyard-server@demo-project/),
    });
  });
});

describe('before anything else', () => {
  const serverAt = async (offMs: number): Promise<string> => {
    const server = createServer((_, response) => {
      response.writeHead(404, { date: new Date(Date.now() + offMs).toUTCString() }).end();
    }).listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await new Promise((resolve) => server.once('listening', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  };

  test.each([
    [-6, '6 minutes ahead of'],
    [90, '90 minutes behind'],
  ])('a clock that is off (%i minutes)', async (minutes, off) => {
    const { at, canTry } = await yard.looks({ RUNYARD_STS_ENDPOINT: await serverAt(minutes * 60_000) });
    expect(canTry).toBe(false);
    expect(at.clock).toEqual({
      state: 'missing',
      detail: `The clock of this machine is ${off} Google's.`,
      remedy: expect.stringContaining('timedatectl set-ntp true'),
    });
  });

  test('a clock that is a little off', async () => {
    const { at } = await yard.looks({ RUNYARD_STS_ENDPOINT: await serverAt(60_000) });
    expect(at.clock).toMatchObject({ state: 'ok', detail: expect.stringMatching(/^(59|60|61) s from that of 127/) });
  });

  test('nobody answers', async () => {
    const { at, canTry } = await yard.looks({ RUNYARD_STS_ENDPOINT: 'http://127.0.0.1:1' });
    expect(canTry).toBe(false);
    expect(at.clock).toEqual({
      state: 'missing',
      detail: '127.0.0.1:1 does not answer.',
      remedy: expect.stringContaining('Check the network'),
    });
  });

  test('no such project', async () => {
    const failure = new GoogleFailure('PERMISSION_DENIED', `Permission denied on resource project ${project}.`, [
      { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'CONSUMER_INVALID', domain: 'googleapis.com' },
    ]);
    yard.disturb = ({ url }) => (url.includes(':batchGet') ? { kind: 'fail', failure } : undefined);
    const { at, canTry } = await yard.looks();
    expect(canTry).toBe(false);
    expect(at.project).toEqual({
      state: 'missing',
      detail: 'There is no project demo-project, or your credentials may not use it.',
      remedy: expect.stringContaining('gcloud projects list'),
    });
    expect(at.bucket).toBeUndefined();
  });

  test.each([
    ['sts.googleapis.com', 'missing', 'demo-project: not enabled: sts.googleapis.com'],
    [
      'cloudbuild.googleapis.com',
      'limited',
      'demo-project: not enabled: cloudbuild.googleapis.com, which only "runyard deploy" needs',
    ],
  ])('an API that is off: %s', async (api, state, detail) => {
    const turnOff = (body: string) => {
      const { services } = JSON.parse(body) as { services: { name: string; state: string }[] };
      for (const each of services) if (each.name.endsWith(api)) each.state = 'DISABLED';
      return JSON.stringify({ services });
    };
    yard.disturb = ({ url }) => (url.includes(':batchGet') ? { kind: 'damage', change: turnOff } : undefined);
    const { at, canTry } = await yard.looks();
    expect(canTry).toBe(state === 'limited');
    const remedy = expect.stringContaining(`gcloud services enable ${api} --project=demo-project`);
    expect(at.project).toEqual({ state, detail, remedy });
  });
});
