import { KeyManagementServiceClient } from '@google-cloud/kms';
import { describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { crc32c } from '../../../src/lib/crc32c.ts';
import { clientOf, oneTry } from './clients.ts';
import { startKms } from './kms.ts';
import type { GoogleFakeOptions } from './server.ts';

const location = 'projects/a-project/locations/europe-west1';
const ring = `${location}/keyRings/runyard`;
const key = `${ring}/cryptoKeys/tasks`;
const etagged = z.looseObject({ etag: z.string() });
const aad = Buffer.from('task_1');

async function kms(options: GoogleFakeOptions = {}, token?: string) {
  const fake = await startKms(options);
  onTestFinished(fake.close);
  return { fake, client: new KeyManagementServiceClient(clientOf(fake.url, token)) };
}

async function encrypted(client: KeyManagementServiceClient, plaintext = Buffer.from('data key')): Promise<Buffer> {
  const [{ ciphertext }] = await client.encrypt({ name: key, plaintext, additionalAuthenticatedData: aad }, oneTry);
  return Buffer.from(ciphertext as Uint8Array);
}

describe("Google's own client of Cloud KMS", () => {
  test('makes a ring and a key, finds them, and is told what is there already or is not', async () => {
    const { client } = await kms();
    const cryptoKey = {
      purpose: 'ENCRYPT_DECRYPT',
      rotationPeriod: { seconds: 90 * 86_400 },
      nextRotationTime: { seconds: 2_000_000_000 },
    } as const;
    // Of an empty message the client makes a JSON text instead of an object.
    const makeRing = () =>
      client.createKeyRing({ parent: location, keyRingId: 'runyard', keyRing: { name: ring } }, oneTry);
    const makeKey = () => client.createCryptoKey({ parent: ring, cryptoKeyId: 'tasks', cryptoKey }, oneTry);
    await expect(makeKey()).rejects.toMatchObject({ code: 5 });
    expect((await makeRing())[0].name).toBe(ring);
    await expect(makeRing()).rejects.toMatchObject({ code: 6, message: expect.stringContaining('already exists') });
    expect((await makeKey())[0]).toMatchObject({
      name: key,
      rotationPeriod: { seconds: String(90 * 86_400) },
      primary: { name: `${key}/cryptoKeyVersions/1`, state: 'ENABLED' },
    });
    await expect(makeKey()).rejects.toMatchObject({ code: 6 });
    expect((await client.getKeyRing({ name: ring }, oneTry))[0].name).toBe(ring);
    expect((await client.getCryptoKey({ name: key }, oneTry))[0]).toMatchObject({ purpose: 'ENCRYPT_DECRYPT' });
    await expect(client.getCryptoKey({ name: `${key}2` }, oneTry)).rejects.toMatchObject({ code: 5 });
  });

  test('encrypts, decrypts after a rotation too, and is given every checksum', async () => {
    const { client, fake } = await kms();
    fake.addKey(key);
    const plaintext = Buffer.from('data key');
    const [answer] = await client.encrypt(
      {
        name: key,
        plaintext,
        additionalAuthenticatedData: aad,
        plaintextCrc32c: { value: crc32c(plaintext) },
        additionalAuthenticatedDataCrc32c: { value: crc32c(aad) },
      },
      oneTry,
    );
    expect(answer).toMatchObject({
      name: `${key}/cryptoKeyVersions/1`,
      verifiedPlaintextCrc32c: true,
      verifiedAdditionalAuthenticatedDataCrc32c: true,
      ciphertextCrc32c: { value: String(crc32c(Buffer.from(answer.ciphertext as Uint8Array))) },
    });
    fake.rotate(key);
    const [opened] = await client.decrypt(
      { name: key, ciphertext: answer.ciphertext!, additionalAuthenticatedData: aad },
      oneTry,
    );
    expect(Buffer.from(opened.plaintext as Uint8Array)).toEqual(plaintext);
    expect(opened).toMatchObject({ usedPrimary: false, plaintextCrc32c: { value: String(crc32c(plaintext)) } });
  });

  test('is refused with other additional data, another key, changed bytes and a wrong checksum', async () => {
    const { client, fake } = await kms();
    fake.addKey(key);
    fake.addKey(`${key}2`);
    const ciphertext = await encrypted(client);
    const open = (more: object) =>
      client.decrypt({ name: key, ciphertext, additionalAuthenticatedData: aad, ...more }, oneTry);
    const refused = { code: 3, message: expect.stringContaining('Decryption failed') };
    await expect(open({ additionalAuthenticatedData: Buffer.from('task_2') })).rejects.toMatchObject(refused);
    await expect(open({ name: `${key}2` })).rejects.toMatchObject(refused);
    await expect(open({ ciphertext: ciphertext.subarray(0, -1) })).rejects.toMatchObject(refused);
    await expect(open({ ciphertextCrc32c: { value: 7 } })).rejects.toMatchObject({
      code: 3,
      message: expect.stringContaining('ciphertext_crc32c'),
    });
    expect(String((await open({}))[0].plaintext)).toBe('data key');
  });

  test('is told that a version is disabled or destroyed, in a form that programs read', async () => {
    const { client, fake } = await kms();
    fake.addKey(key);
    const ciphertext = await encrypted(client);
    const version = `${key}/cryptoKeyVersions/1`;
    const open = () => client.decrypt({ name: key, ciphertext, additionalAuthenticatedData: aad }, oneTry);
    const state = (cryptoKeyVersion: object) =>
      client.updateCryptoKeyVersion({ cryptoKeyVersion, updateMask: { paths: ['state'] } }, oneTry);
    await state({ name: version, state: 'DISABLED' });
    await expect(open()).rejects.toMatchObject({
      code: 9,
      statusDetails: [{ violations: [{ type: 'KEY_DISABLED' }] }],
    });
    await state({ name: version, state: 'ENABLED' });
    await client.destroyCryptoKeyVersion({ name: version }, oneTry);
    await expect(open()).rejects.toMatchObject({ code: 9, message: expect.stringContaining('DESTROY_SCHEDULED') });
    fake.setState(key, 1, 'DESTROYED');
    await expect(encrypted(client)).rejects.toMatchObject({
      code: 9,
      statusDetails: [{ violations: [{ type: 'KEY_DESTROYED' }] }],
    });
  });

  test('is denied what it may not do, by its token', async () => {
    const { client, fake } = await kms(
      { authorize: ({ token, permission }) => token === 'server' && permission.endsWith('useToEncrypt') },
      'server',
    );
    fake.addKey(key);
    const ciphertext = await encrypted(client);
    const stranger = new KeyManagementServiceClient(clientOf(fake.url, 'stranger'));
    const denied = (permission: string) => ({
      code: 7,
      reason: 'IAM_PERMISSION_DENIED',
      errorInfoMetadata: { permission, resource: key },
    });
    await expect(encrypted(stranger)).rejects.toMatchObject(denied('cloudkms.cryptoKeyVersions.useToEncrypt'));
    await expect(client.decrypt({ name: key, ciphertext }, oneTry)).rejects.toMatchObject(
      denied('cloudkms.cryptoKeyVersions.useToDecrypt'),
    );
  });
});

test('a key tells what one may do with it', async () => {
  const { fake } = await kms({ authorize: ({ permission }) => permission.endsWith('.get') });
  fake.addKey(key);
  const body = JSON.stringify({ permissions: ['cloudkms.cryptoKeys.get', 'cloudkms.cryptoKeys.update'] });
  const answer = await fetch(`${fake.url}/v1/${key}:testIamPermissions`, { method: 'POST', body });
  expect(await answer.json()).toEqual({ permissions: ['cloudkms.cryptoKeys.get'] });
});

test('a policy is written with its etag, and a stale one is refused', async () => {
  const { fake } = await kms();
  fake.addKey(key);
  const read = async () => etagged.parse(await (await fetch(`${fake.url}/v1/${key}:getIamPolicy`)).json());
  const role = 'roles/cloudkms.cryptoKeyDecrypter';
  const bindings = [{ role, members: ['serviceAccount:runner@a-project.iam.gserviceaccount.com'] }];
  const write = async (etag: string) =>
    (await fetch(`${fake.url}/v1/${key}:setIamPolicy`, { method: 'POST', body: policyOf({ bindings, etag }) })).status;
  const { etag } = await read();
  expect(await write(etag)).toBe(200);
  expect(await read()).toMatchObject({ version: 1, bindings });
  expect(fake.policyOf(key)?.bindings).toMatchObject(bindings);
  expect(await write(etag)).toBe(409);
});

describe('what Google refuses of a request', () => {
  const post = async (path: string, body: string, method = 'POST') => {
    const { fake } = await kms();
    fake.addKey(key);
    const answer = await fetch(`${fake.url}/v1/${path}`, { method, body });
    return `${answer.status} ${await answer.text()}`;
  };

  test.each([
    ['an unknown field', `${key}:encrypt`, '{"plain":"eA=="}', /^400 .*Unknown name \\"plain\\": Cannot find field/s],
    ['an unknown field further in', `${ring}/cryptoKeys?cryptoKeyId=x`, '{"purpos":"x"}', /^400 .*at 'cryptoKey'/s],
    ['an unknown value of an enum', `${ring}/cryptoKeys?cryptoKeyId=x`, '{"purpose":"FUN"}', /^400 .*FUN/s],
    ['a rotation without its first time', `${ring}/cryptoKeys?cryptoKeyId=x`, rotation, /^400 .*next_rotation_time/s],
    ['bytes that are no base64', `${key}:encrypt`, '{"plaintext":"?"}', /^400 .*Base64/s],
    ['more than 64 KiB', `${key}:encrypt`, big(), /^400 .*64KiB/s],
    ['no JSON', `${key}:encrypt`, '{', /^400 .*Invalid JSON/s],
    ['an address of nothing', `${key}:sing`, '{}', /^404 <!DOCTYPE html>/],
    ['a policy that is read by POST', `${key}:getIamPolicy`, '{}', /^404 <!DOCTYPE html>/],
    ['a member that is none', `${key}:setIamPolicy`, binding('ann'), /^400 .*Invalid member/s],
  ])('%s', async (_, path, body, expected) => {
    expect(await post(path, body)).toMatch(expected);
  });
});

const rotation = '{"purpose":"ENCRYPT_DECRYPT","rotationPeriod":"7776000s"}';

function big(): string {
  return JSON.stringify({ plaintext: Buffer.alloc(64 * 1024 + 1).toString('base64') });
}

function binding(member: string): string {
  return policyOf({ bindings: [{ role: 'roles/viewer', members: [member] }] });
}

function policyOf(policy: object): string {
  return JSON.stringify({ policy });
}
