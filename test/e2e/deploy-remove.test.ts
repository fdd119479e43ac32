import { afterEach, expect, test } from 'vitest';
import { bucket, type Cloud, openCloud, project, region, writePackage } from './deploy-cloud.ts';

const opened: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0)) await close();
});

async function open(): Promise<Cloud> {
  const files = writePackage();
  const cloud = await openCloud({}, files.root);
  opened.push(() => cloud.close(), files.remove);
  return cloud;
}

test('what was made goes, what holds data or cannot go stays and is named with the line that takes it away', async () => {
  const cloud = await open();
  await cloud.run(['--service']);
  const { exitCode, text } = await cloud.run(['--remove']);
  expect(exitCode, text).toBe(0);
  const state = cloud.state();
  expect({ run: state.run, repositories: state.repositories, accounts: state.accounts, tags: state.tags }).toEqual({
    run: {},
    repositories: [],
    accounts: [],
    tags: {},
  });
  expect(JSON.stringify([state.policies, state.keyPolicy, state.secrets])).not.toContain('serviceAccount:');
  expect(state.policies[`projects/${project}`]?.bindings).toEqual([
    { role: 'roles/owner', members: ['user:owner@example.com'] },
  ]);
  expect(Object.keys(state.buckets)).toEqual([bucket]);
  expect(text).toMatch(/- Job runyard-small +removed/);
  expect(text).toMatch(
    /○ Bucket demo-project-runyard +stays: it holds tasks.*\n +\$ gcloud storage rm --recursive gs:/,
  );
  expect(text).toMatch(/○ Key ring runyard +stays: Google deletes no key ring/);
  expect(text).toMatch(/○ Key tasks +stays: .*\n +\$ gcloud kms keys versions destroy/);
  expect(text).toMatch(/○ Secret npm +stays: .*\n +\$ gcloud secrets delete npm --project=demo-project/);
  expect(text).toMatch(/○ Google APIs +stays: .*\n +\$ gcloud services disable/);
});

test('removed twice is removed; deployed again it is as it was', async () => {
  const cloud = await open();
  await cloud.run(['--service']);
  const before = cloud.state();
  await cloud.run(['--remove']);
  const again = await cloud.run(['--remove']);
  expect(again.exitCode).toBe(0);
  expect(again.text).not.toMatch(/removed +\d/);
  expect(await cloud.run(['--service'])).toMatchObject({ exitCode: 0 });
  const after = cloud.state();
  const sorted = (value: object | undefined) =>
    JSON.stringify(value)
      .split(/[[\]{},]/)
      .sort();
  expect(sorted(after.policies)).toEqual(sorted(before.policies));
  expect({ ...after, policies: {}, keyPolicy: {}, secrets: {} }).toEqual({
    ...before,
    policies: {},
    keyPolicy: {},
    secrets: {},
  });
});

test('an empty project has nothing to remove', async () => {
  const cloud = await open();
  const { exitCode, text } = await cloud.run(['--remove']);
  expect({ exitCode, made: cloud.admin.made }).toEqual({ exitCode: 0, made: [] });
  expect(text).not.toMatch(/removed +\d|stays/);
});

test('interrupted in the middle, it says what is left, and a second run goes on', async () => {
  const cloud = await open();
  await cloud.run([]);
  const interruption = new AbortController();
  cloud.disturb = ({ method, url }) => {
    if (method !== 'DELETE' || !url.includes('/repositories/')) return undefined;
    interruption.abort();
    return { kind: 'cut', carriedOut: false };
  };
  const first = await cloud.run(['--remove'], { signal: interruption.signal });
  expect(first).toMatchObject({ exitCode: 1 });
  expect(first.text).toMatch(/Interrupted\..*Left: Artifact Registry repository runyard/s);
  expect(first.text).toMatch(/Run "runyard deploy --remove" again: it goes on/);
  cloud.disturb = () => undefined;
  expect(await cloud.run(['--remove'])).toMatchObject({ exitCode: 0 });
  expect(cloud.state().accounts).toEqual([]);
});

test('roles that somebody gave our accounts on the project stay theirs to take away', async () => {
  const cloud = await open();
  await cloud.run([]);
  const member = `serviceAccount:runyard-server@${project}.iam.gserviceaccount.com`;
  const theirs = { role: 'roles/monitoring.viewer', members: [member] };
  const name = `projects/${project}`;
  cloud.admin.setPolicy(name, [...cloud.state().policies[name]!.bindings, theirs]);
  await cloud.run(['--remove']);
  expect(cloud.state().policies[name]?.bindings).toContainEqual(theirs);
});

test('a job of somebody else with another name is left alone', async () => {
  const cloud = await open();
  await cloud.run([], { env: { RUNYARD_JOB: 'second' } });
  await cloud.run(['--remove']);
  expect(Object.keys(cloud.state().run)).toContain(`projects/${project}/locations/${region}/jobs/second-small`);
});
