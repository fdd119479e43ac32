import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { boundaryOf } from '../../src/backends/cloud-run/task-token.ts';
import { keys } from '../../src/contracts/keys.ts';
import type { Service } from '../fakes/google/policy-door.ts';
import { type CloudYard, openCloudYard } from './cloud-yard.ts';
import { deployed } from './deployed.ts';

/** What somebody gets who has broken out of the wall on Cloud Run: with the runner's account, and its task's token. */

const state: { yard?: CloudYard } = {};
const yard = () => state.yard!;
/** The attacker's, under way; and somebody else's, which has not begun, so that all of it is there. */
let own: string;
let other: string;
beforeAll(async () => {
  const { bindings } = await deployed(['npm']);
  state.yard = await openCloudYard({ access: { bindings } });
  yard().google.secretManager.addVersion('projects/a-project/secrets/npm', 'a-token');
  own = await yard().start('echo begun; sleep 300', { timeout_seconds: 600 });
  const hasBegun = () => [...yard().objects().keys()].some((name) => name.startsWith(keys.events(own, 0)));
  await vi.waitUntil(hasBegun, { timeout: 30_000 });
  yard().google.run.plan({ neverStarts: true });
  other = await yard().start('echo of somebody else');
  // Its submit's last word: nothing is written after it.
  await vi.waitUntil(() => yard().objects().has(keys.launchHandle(other, 0)), { timeout: 30_000 });
});
afterAll(() => state.yard?.close());

interface Request {
  readonly service: Service;
  readonly method: string;
  readonly path: string;
  readonly body?: string;
  readonly form?: boolean;
}

/** Through the doors of the runner's account, which they lend to who brings no token. */
async function send({ service, method, path, body, form }: Request, token?: string) {
  const type = form === true ? 'application/x-www-form-urlencoded' : 'application/json';
  const answer = await fetch(`${yard().google.access!.runner.endpoints[service]}${path}`, {
    method,
    headers: { 'content-type': type, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
    ...(body === undefined ? {} : { body }),
  });
  return { status: answer.status, text: await answer.text() };
}

const bucket = '/storage/v1/b/a-project-runyard';
const location = 'projects/a-project/locations/europe-west1';
const ring = `${location}/keyRings/runyard`;
const key = `${ring}/cryptoKeys/tasks`;
const job = `${location}/jobs/runyard-small`;
const secrets = 'projects/a-project/secrets';
const bytes = Buffer.from('x').toString('base64');

const taskToken = () => yard().executionsOf(own)[0]!.spec.env.RUNYARD_TASK_TOKEN!;
const execution = () => yard().executionsOf(other)[0]!.name;
const encoded = (name: string) => `${bucket}/o/${encodeURIComponent(name)}`;
const read = (name: string): Request => ({ service: 'storage', method: 'GET', path: `${encoded(name)}?alt=media` });
const list = (prefix: string): Request => ({
  ...{ service: 'storage', method: 'GET' },
  path: `${bucket}/o?prefix=${encodeURIComponent(prefix)}`,
});
const remove = (name: string): Request => ({ service: 'storage', method: 'DELETE', path: encoded(name) });
const upload = (name: string, more = '', uploadType = 'multipart'): Request => ({
  ...{ service: 'storage', method: 'POST' },
  path: `/upload${bucket}/o?uploadType=${uploadType}&name=${encodeURIComponent(name)}${more}`,
  body: '{}',
});
const create = (name: string, uploadType?: string) => upload(name, '&ifGenerationMatch=0', uploadType);
const onStorage = (method: string, path: string): Request => ({
  ...{ service: 'storage', method, path },
  ...(method === 'GET' ? {} : { body: '{}' }),
});
const onKms = (method: string, name: string, body?: string): Request => ({
  ...{ service: 'kms', method, path: `/v1/${name}` },
  ...(body === undefined ? {} : { body }),
});
const onSecrets = (name: string): Request => ({ service: 'secretManager', method: 'GET', path: `/v1/${name}` });
const onRun = (method: string, name: string, body?: string): Request => ({
  ...{ service: 'run', method, path: `/v2/${name}` },
  ...(body === undefined ? {} : { body }),
});

/** What is tried, how, and the permission that the account is told it lacks. With the token all of it is refused too. */
const attacks: readonly (readonly [string, () => Request, string])[] = [
  ['read the record of another task', () => read(keys.record(other)), 'objects.get'],
  ['read the sealed part of another task', () => read(keys.sealed(other)), 'objects.get'],
  ['learn that a task is not there', () => read('tasks/none/task.json'), 'objects.get'],
  ['learn that an input is not there', () => read('inputs/none'), 'objects.list'],
  ['read the key of idempotency', () => read(keys.macKey), 'objects.get'],
  ['read what the image is built from', () => read('deploy/x.tar.gz'), 'objects.get'],
  ['list the bucket', () => list(''), 'objects.list'],
  ['list its own task', () => list(keys.task(own)), 'objects.list'],
  ['list the inputs', () => list('inputs/'), 'objects.list'],
  ['overwrite the record of another task', () => upload(keys.record(other)), 'objects.delete'],
  ['overwrite its own record', () => upload(keys.record(own)), 'objects.delete'],
  ['overwrite its own claim', () => upload(keys.claim(own, 0)), 'objects.delete'],
  ['delete the record of another task', () => remove(keys.record(other)), 'objects.delete'],
  ['delete the sealed part of another task', () => remove(keys.sealed(other)), 'objects.delete'],
  ['delete its own claim', () => remove(keys.claim(own, 0)), 'objects.delete'],
  ['change what is said of an object', () => onStorage('PATCH', encoded(keys.record(own))), 'objects.update'],
  [
    'copy another task into its own',
    () => onStorage('POST', `${encoded(keys.sealed(other))}/rewriteTo/b/a-project-runyard/o/tasks%2F${own}%2Fx`),
    'objects.get',
  ],
  ['bring an input', () => create('inputs/forged'), 'objects.create'],
  ['begin to bring a large input', () => create('inputs/forged', 'resumable'), 'objects.create'],
  ['bring a sealed part', () => create('sealed/forged'), 'objects.create'],
  ['bring a task into a list', () => create('owners/forged'), 'objects.create'],
  ['read the policy of the bucket', () => onStorage('GET', `${bucket}/iam`), 'buckets.getIamPolicy'],
  ['write the policy of the bucket', () => onStorage('PUT', `${bucket}/iam`), 'buckets.setIamPolicy'],
  ['switch soft delete on', () => onStorage('PATCH', bucket), 'buckets.update'],
  ['delete the bucket', () => onStorage('DELETE', bucket), 'buckets.delete'],
  ['seal with the key', () => onKms('POST', `${key}:encrypt`, `{"plaintext":"${bytes}"}`), 'useToEncrypt'],
  ['look at the key', () => onKms('GET', key), 'cryptoKeys.get'],
  ['list the keys of the ring', () => onKms('GET', `${ring}/cryptoKeys`), 'cryptoKeys.list'],
  ['look at the ring', () => onKms('GET', ring), 'keyRings.get'],
  ['make a key', () => onKms('POST', `${ring}/cryptoKeys?cryptoKeyId=x`, '{}'), 'cryptoKeys.create'],
  ['destroy the key', () => onKms('POST', `${key}/cryptoKeyVersions/1:destroy`, '{}'), 'cryptoKeyVersions.destroy'],
  ['write the policy of the key', () => onKms('POST', `${key}:setIamPolicy`, '{"policy":{}}'), 'setIamPolicy'],
  ['use another key', () => onKms('POST', `${ring}/cryptoKeys/x:decrypt`, `{"ciphertext":"${bytes}"}`), 'useToDecrypt'],
  ['read a secret', () => onSecrets(`${secrets}/npm/versions/latest:access`), 'versions.access'],
  ['list the secrets', () => onSecrets(secrets), 'secrets.list'],
  ['start something', () => onRun('POST', `${job}:run`, '{}'), 'jobs.run'],
  ['start something else', () => onRun('POST', `${job}:run`, '{"overrides":{"taskCount":9}}'), 'jobs.runWithOverrides'],
  ['look at the job', () => onRun('GET', job), 'jobs.get'],
  ['list the executions', () => onRun('GET', `${job}/executions`), 'executions.list'],
  ['look at an execution, where its token stands', () => onRun('GET', execution()), 'executions.get'],
  ['cancel another execution', () => onRun('POST', `${execution()}:cancel`, '{}'), 'executions.cancel'],
];

describe('C1: with the account of the runner and the token of its task', () => {
  test.each(attacks)('prior A8e C6b: nobody can %s', async (_, attack, permission) => {
    const before = [...yard().objects()];
    expect(await send(attack())).toEqual({ status: 403, text: expect.stringContaining(permission) });
    expect((await send(attack(), taskToken())).status).toBe(403);
    expect([...yard().objects()]).toEqual(before);
  });

  test('the token is exchanged for none, and that of the account for no more than the account may', async () => {
    const exchange = (subject: string): Request => ({
      ...{ service: 'sts', method: 'POST', path: '/v1/token', form: true },
      body: new URLSearchParams({
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        subject_token: subject,
        options: JSON.stringify(boundaryOf('a-project-runyard', other)),
      }).toString(),
    });
    expect(await send(exchange(taskToken()))).toEqual({ status: 400, text: expect.stringContaining('invalid_grant') });
    // The door puts the token of the account in this place.
    const { status, text } = await send(exchange('none'));
    expect(status).toBe(200);
    expect((await send(read(keys.record(other)), JSON.parse(text).access_token)).status).toBe(403);
  });

  test('a token that is none of theirs is not taken at all', async () => {
    expect((await send(read(keys.record(own)), 'ya29.of-nobody')).status).toBe(401);
    expect((await send(onRun('GET', job), 'ya29.of-nobody')).status).toBe(401);
  });

  test('what is left: reading its own task, creating what is not there below tasks/, opening what it holds', async () => {
    for (const name of [keys.record(own), keys.sealed(own), keys.claim(own, 0)]) {
      expect((await send(read(name), taskToken())).status).toBe(200);
      expect((await send(read(name))).status).toBe(403);
    }
    const made = create(`tasks/${own}/forged`, 'resumable');
    expect((await send(made, taskToken())).status).toBe(403);
    expect((await send(made)).status).toBe(200);
    // Names of tasks are random; who has learned one can forge what is not there yet.
    expect((await send(create(`tasks/${other}/forged`, 'resumable'))).status).toBe(200);
    const opened = await send(onKms('POST', `${key}:decrypt`, `{"ciphertext":"${bytes}"}`));
    expect(opened).toEqual({ status: 400, text: expect.stringContaining('Decryption failed') });
  });
});
