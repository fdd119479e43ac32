import { rmSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { AdminOptions } from '../fakes/google/admin-world.ts';
import { accessed, denied, given, jobs, member, open, opened, serviceEnv } from './deploy-bench.ts';
import { bucket, kmsKey, project, writePackage } from './deploy-cloud.ts';

describe('the service', () => {
  test('has its own keys, made once and never printed; its model key comes when there is one', async () => {
    const cloud = await open();
    const { exitCode, text } = await cloud.run(['--service']);
    expect(exitCode, text).toBe(0);
    const key = await accessed(cloud, 'runyard-api-keys');
    expect(key).toMatch(/^operator:[0-9a-f]{48}$/);
    expect(text).not.toContain(key.slice('operator:'.length));
    expect(text).toMatch(/gcloud secrets versions access latest --secret=runyard-api-keys/);
    expect(text).toMatch(/it answers at https:.*Nobody may call it yet/);
    expect(JSON.stringify(cloud.admin.requests)).not.toContain(key);
    expect(serviceEnv(cloud)).not.toContain('ANTHROPIC_API_KEY');

    cloud.secrets.addVersion(`projects/${project}/secrets/runyard-anthropic-api-key`, 'placeholder-model-key');
    const second = await cloud.run([]);
    expect(second.text).toMatch(/Service runyard +changed/);
    expect(serviceEnv(cloud)).toContain('ANTHROPIC_API_KEY');
    expect(await accessed(cloud, 'runyard-api-keys')).toBe(key);
    expect(cloud.secrets.requests.filter(({ url }) => url.includes(':addVersion'))).toHaveLength(1);
  });
});

test('--vpc sends all traffic of the jobs through the network, and without it they keep it', async () => {
  const cloud = await open();
  await cloud.run(['--vpc', 'inside/runners']);
  const vpcAccess = { egress: 'ALL_TRAFFIC', networkInterfaces: [{ network: 'inside', subnetwork: 'runners' }] };
  const through = { template: { template: { vpcAccess } } };
  expect(cloud.state().run[`${jobs}/runyard-medium`]).toMatchObject(through);
  await cloud.run(['--image', given]);
  expect(cloud.state().run[`${jobs}/runyard-medium`]).toMatchObject(through);
});

describe('Google is slow, busy, or told something else meanwhile', () => {
  test('what Google has not heard of everywhere yet is waited for', async () => {
    const cloud = await open({ slowToHear: 3 });
    const { exitCode, text } = await cloud.run([]);
    expect(exitCode, text).toBe(0);
    expect(text).toMatch(/waiting until all of Google knows what was just made/);
    expect(new Set(cloud.admin.made).size).toBe(cloud.admin.made.length);
  });

  test('but not for ever', async () => {
    const cloud = await open({ slowToHear: 1_000_000 });
    const { exitCode, text } = await cloud.run([], { settleMs: 100 });
    expect(exitCode).toBe(1);
    expect(text).toMatch(/is not enabled in the project demo-project\. Enable it: gcloud services enable/);
  });

  test('busy and broken answers are tried again; nothing is made twice', async () => {
    const cloud = await open();
    cloud.disturb = (_, at) => {
      if (at % 5 === 1) return { kind: 'refuse', status: 503 };
      return at % 5 === 3 ? { kind: 'cut', carriedOut: at % 2 === 0 } : undefined;
    };
    const { exitCode, text } = await cloud.run([]);
    expect(exitCode, text).toBe(0);
    expect(new Set(cloud.admin.made).size).toBe(cloud.admin.made.length);
  });

  test('a policy that somebody else writes at the same time loses neither', async () => {
    const cloud = await open();
    const other = { role: 'roles/storage.objectViewer', members: ['user:auditor@example.com'] };
    const raced = { once: false };
    cloud.disturb = ({ method, url }) => {
      if (method === 'PUT' && url.endsWith(`/${bucket}/iam`) && !raced.once) {
        raced.once = true;
        cloud.admin.setPolicy(bucket, [...(cloud.state().policies[bucket]?.bindings ?? []), other]);
      }
      return undefined;
    };
    expect(await cloud.run([])).toMatchObject({ exitCode: 0 });
    const { bindings } = cloud.state().policies[bucket]!;
    expect(bindings).toContainEqual(other);
    expect(bindings.flatMap(({ members }) => members)).toContain(member('runner'));
  });
});

describe('what stands in the way is a sentence that says what to do next', () => {
  test.each<[string, AdminOptions, RegExp]>([
    ['no such project', { noProject: true }, /There is no project demo-project, .*"gcloud projects list" shows yours/],
    ['no billing', { billingOff: true }, /has no billing account.*gcloud billing projects link demo-project/],
    ['a bucket of somebody else', { bucketsOfOthers: [bucket] }, /belongs to another project.*set RUNYARD_BUCKET/],
  ])('%s', async (_, options, sentence) => {
    const { exitCode, text } = await (await open(options)).run([]);
    expect(exitCode).toBe(1);
    expect(text).toMatch(sentence);
    expect(text).toMatch(/Done: .*\n.*Left: .*Service|Left: /);
  });

  test('a missing permission is named, and on what', async () => {
    const cloud = await open();
    cloud.disturb = ({ method, url }) =>
      method === 'POST' && url.includes('/keyRings?')
        ? { kind: 'fail', failure: denied('cloudkms.keyRings.create') }
        : undefined;
    const { exitCode, text } = await cloud.run([]);
    expect(exitCode).toBe(1);
    expect(text).toMatch(/lack the permission cloudkms\.keyRings\.create of Cloud KMS on projects\/demo-project/);
  });

  test('a package without a Dockerfile or a build', async () => {
    const { root, remove } = writePackage();
    opened.push(remove);
    rmSync(`${root}/sandbox-image`, { recursive: true });
    const cloud = await open();
    const { exitCode, text } = await cloud.run([], { packageRoot: root });
    expect({ exitCode, text }).toMatchObject({
      exitCode: 1,
      text: expect.stringMatching(/sandbox-image\/Dockerfile is not there.*or name an image: --image REF/),
    });
    expect(cloud.admin.made).toEqual([]);
  });

  test('nobody answers', async () => {
    const cloud = await open();
    await cloud.admin.close();
    expect(await cloud.run([])).toMatchObject({
      exitCode: 1,
      text: expect.stringMatching(/did not answer\. Check the net/),
    });
  });
});

test('C4: what the jobs are given holds no secret', async () => {
  const cloud = await open();
  await cloud.run(['--service']);
  const small = JSON.stringify(cloud.state().run[`${jobs}/runyard-small`]);
  expect(small).not.toMatch(/secretKeyRef|API_KEY|TOKEN|SECRETS/);
});

test('the key may be one of another place', async () => {
  const cloud = await open();
  const elsewhere = 'projects/keys-project/locations/europe/keyRings/ours/cryptoKeys/runyard';
  expect(await cloud.run([], { env: { RUNYARD_KMS_KEY: elsewhere } })).toMatchObject({ exitCode: 0 });
  expect(cloud.kms.keyOf(elsewhere)).toBeDefined();
  expect(cloud.kms.keyOf(kmsKey)).toBeUndefined();
});
