import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { boundaryOf } from '../../../src/backends/cloud-run/task-token.ts';
import { newTaskId } from '../../../src/contracts/ids.ts';
import type { Binding } from './policy.ts';
import { type Access, type Doors, openAccess } from './policy-access.ts';
import { conditionHolds } from './policy-condition.ts';
import { roleHolds } from './policy-roles.ts';
import { type StorageServer, startStorageServer } from './storage-server.ts';

/** The doors themselves: that they let through what is granted, and refuse the rest as Google does. */

const bucket = 'projects/_/buckets/yard';
const on = (role: string, account: string, prefix?: string): Binding => ({
  ...{ resource: bucket, role, members: [`serviceAccount:${account}@example.com`] },
  ...(prefix === undefined
    ? {}
    : { condition: { expression: `resource.name.startsWith('${bucket}/objects/${prefix}')` } }),
});
const owner = on('roles/storage.objectUser', 'owner');
const task = newTaskId();

let storage: StorageServer;
let access: Access;
let doors: Record<'owner' | 'creator' | 'reader' | 'nobody', Doors>;
beforeAll(async () => {
  storage = await startStorageServer({ buckets: ['yard'] });
  const bindings = [
    owner,
    on('roles/storage.objectCreator', 'creator', 'tasks/'),
    on('roles/storage.legacyObjectReader', 'reader', 'inputs/'),
  ];
  access = await openAccess({ bindings });
  const behind = { run: '', kms: '', secretManager: '', sts: access.sts.url, storage: storage.url };
  const open = (name: string) => access.openDoors(`${name}@example.com`, behind);
  doors = {
    owner: await open('owner'),
    creator: await open('creator'),
    reader: await open('reader'),
    nobody: await open('nobody'),
  };
});
afterAll(async () => {
  await access.close();
  await access.sts.close();
  await storage.close();
});

async function ask(who: keyof typeof doors, method: string, path: string, token?: string) {
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const body = method === 'POST' ? { body: '{}' } : {};
  const answer = await fetch(`${doors[who].endpoints.storage}${path}`, { method, headers, ...body });
  return `${answer.status} ${await answer.text()}`;
}
const objects = '/storage/v1/b/yard/o';
const object = (name: string) => `${objects}/${encodeURIComponent(name)}`;
const put = (name: string, once = false) =>
  `/upload${objects}?uploadType=resumable&name=${encodeURIComponent(name)}${once ? '&ifGenerationMatch=0' : ''}`;
const store = (name: string) => {
  const fields = { name, generation: '1', crc32c: '', md5Hash: '', timeCreated: '', contentType: 'text/plain' };
  storage.objects('yard').set(name, { ...fields, bytes: Buffer.from('kept') });
};

describe('the doors', () => {
  test('refuse who is not granted it, with the account and the permission, in text where bytes are asked for', async () => {
    store('inputs/x');
    const said = 'nobody@example.com does not have storage.objects.get access to the Google Cloud Storage object.';
    expect(await ask('nobody', 'GET', `${object('inputs/x')}?alt=media`)).toMatch(new RegExp(`^403 ${said}`));
    expect(JSON.parse((await ask('nobody', 'GET', object('inputs/x'))).slice(4))).toMatchObject({
      error: { code: 403, message: expect.stringContaining(said), errors: [{ reason: 'forbidden' }] },
    });
    expect(await ask('reader', 'GET', `${object('inputs/x')}?alt=media`)).toMatch(/^200/);
  });

  test('tell who may not list nothing of what is not there, and who may that it is not', async () => {
    expect(await ask('reader', 'GET', object('inputs/none'))).toMatch(/^403 .*storage.objects.list/s);
    expect(await ask('owner', 'GET', object('inputs/none'))).toMatch(/^404 .*No such object/s);
  });

  test('take an overwrite for a removal, unless it can be none', async () => {
    store('tasks/x');
    expect(await ask('creator', 'POST', put('tasks/x'))).toMatch(/^403 .*storage.objects.delete/s);
    expect(await ask('creator', 'POST', put('tasks/new'))).toMatch(/^200/);
    expect(await ask('creator', 'POST', put('tasks/x', true))).toMatch(/^412/);
    expect(await ask('creator', 'POST', put('inputs/new', true))).toMatch(/^403 .*storage.objects.create/s);
    expect(await ask('owner', 'POST', put('tasks/x'))).toMatch(/^200/);
  });

  test('take no token that nobody has given, and let nobody through to an address they do not know', async () => {
    expect(await ask('owner', 'GET', objects, 'ya29.made-up')).toMatch(/^401/);
    for (const path of ['/yard/inputs/x', `/download${object('inputs/x')}?alt=media`, `${objects}/a/b`]) {
      expect(await ask('owner', 'GET', path)).toMatch(/^404/);
    }
  });

  test('let a token with a boundary do what both the boundary and the account behind it allow', async () => {
    store(`tasks/${task}/task.json`);
    store('tasks/other');
    const form = new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      subject_token: 'none',
      options: JSON.stringify(boundaryOf('yard', task)),
    });
    const answer = await fetch(`${doors.owner.endpoints.sts}/v1/token`, { method: 'POST', body: form });
    const { access_token: token } = (await answer.json()) as { access_token: string };
    const own = object(`tasks/${task}/task.json`);
    expect(await ask('nobody', 'GET', own, token)).toMatch(/^200/);
    expect(await ask('nobody', 'GET', object('tasks/other'), token)).toMatch(/^403/);
    expect(await ask('nobody', 'DELETE', own, token)).toMatch(/^403/);
    const giveBack = access.policy.takeAway(owner);
    expect(await ask('nobody', 'GET', own, token)).toMatch(/^403/);
    giveBack();
    expect(await ask('nobody', 'GET', own, token)).toMatch(/^200/);
  });
});

test('what the table of roles, or the reader of conditions, does not know is an error and no denial', () => {
  expect(() => roleHolds('roles/editor', 'storage.objects.get')).toThrow(/does not know roles\/editor/);
  expect(() => conditionHolds('request.time < timestamp("2030-01-01")', bucket)).toThrow(/does not read/);
  expect(() => access.policy.takeAway({ ...owner })).toThrow(/no such binding/);
});
