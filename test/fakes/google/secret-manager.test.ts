import { SecretManagerServiceClient } from '@google-cloud/secret-manager';
import { describe, expect, onTestFinished, test } from 'vitest';
import { crc32c } from '../../../src/lib/crc32c.ts';
import { clientOf, oneTry } from './clients.ts';
import { startSecretManager } from './secret-manager.ts';
import type { GoogleFakeOptions } from './server.ts';

const parent = 'projects/a-project';
const secret = `${parent}/secrets/npm`;
const latest = `${secret}/versions/latest`;

async function manager(options: GoogleFakeOptions = {}, token?: string) {
  const fake = await startSecretManager(options);
  onTestFinished(fake.close);
  return { fake, client: new SecretManagerServiceClient(clientOf(fake.url, token)) };
}

describe("Google's own client of Secret Manager", () => {
  test('makes a secret, adds versions, and reads the latest of them', async () => {
    const { client } = await manager();
    const make = () =>
      client.createSecret({ parent, secretId: 'npm', secret: { replication: { automatic: {} } } }, oneTry);
    const add = (text: string) =>
      client.addSecretVersion({ parent: secret, payload: { data: Buffer.from(text) } }, oneTry);
    expect((await make())[0].name).toBe('projects/123456789012/secrets/npm');
    await expect(make()).rejects.toMatchObject({ code: 6 });
    await expect(client.accessSecretVersion({ name: latest }, oneTry)).rejects.toMatchObject({ code: 5 });
    await add('one');
    await add('two\n');
    const [{ name, payload }] = await client.accessSecretVersion({ name: latest }, oneTry);
    expect(name).toBe('projects/123456789012/secrets/npm/versions/2');
    expect(String(payload?.data)).toBe('two\n');
    expect(payload?.dataCrc32c).toBe(String(crc32c(Buffer.from('two\n'))));
    const [first] = await client.accessSecretVersion({ name: `${secret}/versions/1` }, oneTry);
    expect(String(first.payload?.data)).toBe('one');
    expect((await client.getSecret({ name: secret }, oneTry))[0].replication).toMatchObject({ automatic: {} });
    await client.deleteSecret({ name: secret }, oneTry);
    await expect(client.getSecret({ name: secret }, oneTry)).rejects.toMatchObject({ code: 5 });
  });

  test('is refused a latest version that is disabled or destroyed, though an older one is there', async () => {
    const { client, fake } = await manager();
    fake.addVersion(secret, 'one');
    fake.addVersion(secret, 'two');
    const read = () => client.accessSecretVersion({ name: latest }, oneTry);
    await client.disableSecretVersion({ name: `${secret}/versions/2` }, oneTry);
    await expect(read()).rejects.toMatchObject({ code: 9, message: expect.stringContaining('DISABLED state') });
    await client.enableSecretVersion({ name: `${secret}/versions/2` }, oneTry);
    await read();
    await client.destroySecretVersion({ name: `${secret}/versions/2` }, oneTry);
    await expect(read()).rejects.toMatchObject({ code: 9, message: expect.stringContaining('DESTROYED state') });
  });

  test('is refused a payload that is empty, too large or does not fit its checksum', async () => {
    const { client, fake } = await manager();
    fake.addVersion(secret, 'one');
    const add = (payload: object) => client.addSecretVersion({ parent: secret, payload }, oneTry);
    await expect(add({ data: Buffer.alloc(0) })).rejects.toMatchObject({ code: 3 });
    await expect(add({ data: Buffer.alloc(64 * 1024 + 1) })).rejects.toMatchObject({ code: 3 });
    await expect(add({ data: Buffer.from('x'), dataCrc32c: 1 })).rejects.toMatchObject({ code: 3 });
    await add({ data: Buffer.from('x'), dataCrc32c: crc32c(Buffer.from('x')) });
  });

  test('is denied by its token, and told by the secret what it may do', async () => {
    const { client, fake } = await manager({ authorize: ({ token }) => token === 'server' }, 'server');
    fake.addVersion(secret, 'one');
    const stranger = new SecretManagerServiceClient(clientOf(fake.url, 'stranger'));
    const permission = 'secretmanager.versions.access';
    await client.accessSecretVersion({ name: latest }, oneTry);
    await expect(stranger.accessSecretVersion({ name: latest }, oneTry)).rejects.toMatchObject({
      code: 7,
      reason: 'IAM_PERMISSION_DENIED',
      errorInfoMetadata: { permission, resource: latest },
    });
    const may = async (asker: SecretManagerServiceClient) =>
      (await asker.testIamPermissions({ resource: secret, permissions: [permission] }, oneTry))[0].permissions;
    expect([await may(client), await may(stranger)]).toEqual([[permission], []]);
  });

  test('writes a conditional policy, which shows as one only to whoever asks for version 3', async () => {
    const { client, fake } = await manager();
    fake.addVersion(secret, 'one');
    const members = ['serviceAccount:server@a-project.iam.gserviceaccount.com'];
    const role = 'roles/secretmanager.secretAccessor';
    const bindings = [{ role, members, condition: { title: 'until', expression: 'request.time < timestamp("x")' } }];
    const write = (policy: object) => client.setIamPolicy({ resource: secret, policy }, oneTry);
    await expect(write({ bindings })).rejects.toMatchObject({ code: 3, message: expect.stringContaining('version 3') });
    const [{ etag }] = await client.getIamPolicy({ resource: secret }, oneTry);
    await write({ version: 3, bindings, etag });
    await expect(write({ version: 3, bindings, etag })).rejects.toMatchObject({ code: 10 });
    const rolesAs = async (requestedPolicyVersion: number) =>
      (await client.getIamPolicy({ resource: secret, options: { requestedPolicyVersion } }, oneTry))[0].bindings?.map(
        (binding) => binding.role,
      );
    expect(await rolesAs(3)).toEqual([role]);
    expect(await rolesAs(1)).toEqual([expect.stringContaining(`${role}_withcond_`)]);
  });
});

test('answers are lost, late or changed where a test wants it', async () => {
  const kinds = [
    { kind: 'cut', carriedOut: true },
    { kind: 'refuse', status: 429 },
    { kind: 'damage', change: (body: string) => body.replace(/"data": "/, '"data": "AAAA') },
    { kind: 'silence' },
  ] as const;
  const { client, fake } = await manager({ disturb: () => kinds[fake.requests.length - 1] });
  fake.addVersion(secret, 'one');
  const read = () => client.accessSecretVersion({ name: latest }, { ...oneTry, timeout: 300 });
  await expect(read()).rejects.toMatchObject({ code: 14 });
  await expect(read()).rejects.toMatchObject({ code: 8, httpStatusCode: 429 });
  expect(String((await read())[0].payload?.data)).toContain('one');
  await expect(read()).rejects.toMatchObject({ code: 4 });
});
