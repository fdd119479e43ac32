import { describe, expect, test } from 'vitest';
import { digest, given, imageOf, jobs, member, open, opened } from './deploy-bench.ts';
import { bucket, project, region, writePackage } from './deploy-cloud.ts';

test('an empty project becomes an installation, and the second time nothing is made', async () => {
  const cloud = await open();
  const first = await cloud.run([]);
  expect(first.exitCode, first.text).toBe(0);
  const state = cloud.state();
  const made = [...cloud.admin.made];
  expect(new Set(made).size).toBe(made.length);
  expect(made).toEqual(
    expect.arrayContaining([`bucket ${bucket}`, 'account runyard-runner', 'jobs runyard-small', 'jobs runyard-large']),
  );
  expect(state.key).toMatchObject({ purpose: 'ENCRYPT_DECRYPT', rotates: true });
  expect(Object.keys(state.secrets)).toEqual(['npm', 'hook']);

  const asked = cloud.requests.length;
  const second = await cloud.run([]);
  expect(second.exitCode).toBe(0);
  expect(second.text).not.toMatch(/ made | changed /);
  expect(cloud.admin.made).toEqual(made);
  expect(cloud.state()).toEqual(state);
  const changing = cloud.requests
    .slice(asked)
    .filter(({ method, url }) => method !== 'GET' && !/getIamPolicy/.test(url));
  expect(changing).toEqual([]);
});

test('progress is a line a step, with its time; the end says what is left to you', async () => {
  const cloud = await open();
  const { text } = await cloud.run([]);
  expect(text).toMatch(/✔ Bucket demo-project-runyard +made +\d+ ms/);
  expect(text).toMatch(/Cloud Build works on it, some minutes: https:/);
  expect(text).toMatch(/Everything is there, in \d/);
  expect(text).toMatch(/Secret npm: it has no value yet: gcloud secrets versions add npm --data-file=- --project=/);
  expect(text).toMatch(/Next: RUNYARD_BACKEND=cloud-run RUNYARD_PROJECT=demo-project RUNYARD_REGION=europe-west1/);
});

test('C1 C2, prior A17a: on what is ours, each account holds what the table says and nothing more', async () => {
  const cloud = await open();
  await cloud.run([]);
  const roles = (resource: string, account: string) =>
    cloud
      .state()
      .policies[resource]?.bindings.filter(({ members }) => members.includes(member(account)))
      .map(({ role, condition }) => [role, condition?.expression]);
  const below = (prefix: string) => `resource.name.startsWith('projects/_/buckets/${bucket}/objects/${prefix}')`;
  expect(roles(bucket, 'runner')).toEqual([
    ['roles/storage.objectCreator', below('tasks/')],
    ['roles/storage.legacyObjectReader', below('inputs/')],
  ]);
  const { keyPolicy, policies, secrets } = cloud.state();
  expect(keyPolicy).toMatchObject({
    bindings: [
      { role: 'roles/cloudkms.cryptoKeyEncrypterDecrypter', members: [member('server')] },
      { role: 'roles/cloudkms.cryptoKeyDecrypter', members: [member('runner')] },
    ],
  });
  const elsewhere = JSON.stringify([secrets, Object.entries(policies).filter(([resource]) => resource !== bucket)]);
  expect(elsewhere).not.toContain(member('runner'));
});

describe('what differs is mended', () => {
  test('C3: soft delete and versioning are switched off again, rules of others stay', async () => {
    const cloud = await open();
    await cloud.run([]);
    const others = { action: { type: 'Delete' }, condition: { age: 1, matchesPrefix: ['backups/'] } };
    const stale = { action: { type: 'Delete' }, condition: { age: 5, matchesPrefix: ['sealed/'] } };
    cloud.admin.changeBucket(bucket, {
      softDeletePolicy: { retentionDurationSeconds: '604800' },
      versioning: { enabled: true },
      lifecycle: { rule: [others, stale] },
    });
    const { text } = await cloud.run([]);
    expect(text).toMatch(/Bucket demo-project-runyard +changed/);
    const fields = cloud.state().buckets[bucket] as { lifecycle: { rule: unknown[] } };
    expect(fields).toMatchObject({
      softDeletePolicy: { retentionDurationSeconds: '0' },
      versioning: { enabled: false },
    });
    expect(fields.lifecycle.rule).toHaveLength(5);
    expect(fields.lifecycle.rule[0]).toEqual(others);
    expect(fields.lifecycle.rule).not.toContainEqual(stale);
  });

  test('C1: a role that the runner should not have is taken away, and those of others stay', async () => {
    const cloud = await open();
    await cloud.run([]);
    const before = cloud.state().policies[bucket]!.bindings;
    const auditor = { role: 'roles/storage.objectViewer', members: ['user:auditor@example.com', member('runner')] };
    cloud.admin.setPolicy(bucket, [...before, auditor]);
    expect((await cloud.run(['--plan'])).text).toMatch(
      /will be changed: also runyard-runner as roles\/storage.objectViewer/,
    );
    await cloud.run([]);
    expect(cloud.state().policies[bucket]!.bindings).toEqual([
      ...before,
      { ...auditor, members: ['user:auditor@example.com'] },
    ]);
  });

  test('the retention of the settings becomes that of the bucket', async () => {
    const cloud = await open();
    await cloud.run([]);
    await cloud.run([], { env: { RUNYARD_RETENTION_DAYS: '3' } });
    const { lifecycle } = cloud.state().buckets[bucket] as { lifecycle: { rule: { condition: { age?: number } }[] } };
    expect(lifecycle.rule.map(({ condition }) => condition.age)).toEqual([2, undefined, 4, 1]);
  });

  test('a job that was changed by hand, and a disabled account', async () => {
    const cloud = await open();
    await cloud.run([]);
    const state = cloud.state();
    const small = cloud.admin.world.run.get(`${jobs}/runyard-small`) as {
      template: { template: { maxRetries: number } };
    };
    small.template.template.maxRetries = 3;
    const email = `runyard-runner@${project}.iam.gserviceaccount.com`;
    cloud.admin.world.accounts.set(email, { email, disabled: true });
    const { text } = await cloud.run(['--plan']);
    expect(text).toMatch(/will be changed: template.template.maxRetries/);
    expect(text).toMatch(/will be changed: it is disabled/);
    await cloud.run([]);
    expect(cloud.state()).toEqual(state);
  });
});

describe('the image', () => {
  test('prior C8a: a new version of the package is built and put into the jobs', async () => {
    const old = await open();
    await old.run([]);
    const before = imageOf(old);
    const files = writePackage({ 'dist/main.js': 'a newer main' });
    opened.push(files.remove);
    const { exitCode } = await old.run([], { packageRoot: files.root });
    expect(exitCode).toBe(0);
    expect(imageOf(old)).not.toBe(before);
    expect(old.admin.made.filter((each) => each.startsWith('build '))).toHaveLength(2);
  });

  test('an image that is named by digest is taken as it is: no repository, no build, no account for one', async () => {
    const cloud = await open();
    const { exitCode, text } = await cloud.run(['--image', given]);
    expect(exitCode, text).toBe(0);
    expect(imageOf(cloud)).toBe(given);
    const { repositories, accounts, objects } = cloud.state();
    expect({ repositories, objects, accounts: accounts.length }).toEqual({
      repositories: [],
      objects: [],
      accounts: 2,
    });
  });

  test('a tag is pinned by the digest that it has', async () => {
    const cloud = await open();
    const tags = 'projects/other-project/locations/europe/repositories/images/packages/a%2Fb/tags';
    cloud.admin.world.tags.set(`${tags}/v1`, digest);
    const ref = 'europe-docker.pkg.dev/other-project/images/a/b';
    expect((await cloud.run([`--image=${ref}:v1`])).exitCode).toBe(0);
    expect(imageOf(cloud)).toBe(`${ref}@${digest}`);
    const missing = await cloud.run([`--image=${ref}:v2`]);
    expect(missing).toMatchObject({
      exitCode: 1,
      text: expect.stringMatching(/There is no image .*a\/b:v2\. Push it/),
    });
  });

  test('a project that may not build in its region builds in "global"', async () => {
    const cloud = await open({ closedForBuilds: [region] });
    expect(await cloud.run([])).toMatchObject({ exitCode: 0 });
    expect(
      cloud.requests.some(({ method, url }) => method === 'POST' && url.includes('/locations/global/builds')),
    ).toBe(true);
  });

  test('a build that fails says so with the address of its log', async () => {
    const cloud = await open({ buildFails: { type: 'USER_BUILD_STEP', detail: 'Build step failure: exit 1' } });
    const { exitCode, text } = await cloud.run([]);
    expect(exitCode).toBe(1);
    expect(text).toMatch(/could not build the image \(FAILURE: Build step failure: exit 1\)\. Its log: https:/);
    expect(text).toMatch(/Done: Google APIs, .*Left: Image 9\.9\.9-\w+, Job runyard-small/s);
    expect(text).toMatch(/Run "runyard deploy" again: it goes on where it stopped/);
  });
});
