import { describe, expect, test } from 'vitest';
import { type ConfigSources, readConfig } from '../../../src/config.ts';
import { SettingsError } from '../../../src/lib/settings.ts';

function read(env: Record<string, string>, flags: string[] = []) {
  const sources: ConfigSources = { flags, env, userHome: '/home/u', isRoot: false, readFile: () => undefined };
  return readConfig(sources);
}

const place = { RUNYARD_PROJECT: 'my-project', RUNYARD_REGION: 'europe-west1' };
const cloud = { ...place, RUNYARD_BACKEND: 'cloud-run' };

test('a project and a region are enough; everything else has a name of its own', () => {
  expect(read(cloud)).toMatchObject({ backend: 'cloud-run' });
  expect(read(cloud).cloud).toEqual({
    project: 'my-project',
    region: 'europe-west1',
    job: 'runyard',
    bucket: 'my-project-runyard',
    kmsKey: 'projects/my-project/locations/europe-west1/keyRings/runyard/cryptoKeys/tasks',
    endpoints: {},
  });
});

test('each name can be said, and each endpoint', () => {
  const kmsKey = 'projects/keys/locations/global/keyRings/r/cryptoKeys/k';
  const env = {
    ...cloud,
    RUNYARD_JOB: 'yard',
    RUNYARD_BUCKET: 'a.bucket_1',
    RUNYARD_KMS_KEY: kmsKey,
    RUNYARD_RUN_ENDPOINT: 'http://127.0.0.1:1/',
    RUNYARD_STORAGE_ENDPOINT: 'http://127.0.0.1:2',
    RUNYARD_KMS_ENDPOINT: 'https://kms.example//',
    RUNYARD_SECRET_MANAGER_ENDPOINT: 'http://127.0.0.1:4',
    RUNYARD_STS_ENDPOINT: 'http://127.0.0.1:5',
  };
  expect(read(env, ['--bucket', 'another-bucket']).cloud).toEqual({
    project: 'my-project',
    region: 'europe-west1',
    job: 'yard',
    bucket: 'another-bucket',
    kmsKey,
    endpoints: {
      run: 'http://127.0.0.1:1',
      storage: 'http://127.0.0.1:2',
      kms: 'https://kms.example',
      secretManager: 'http://127.0.0.1:4',
      sts: 'http://127.0.0.1:5',
    },
  });
});

test('the names of other programs are understood, ours go first, and an empty one is none', () => {
  const theirs = { GOOGLE_CLOUD_PROJECT: 'their-project', GOOGLE_CLOUD_REGION: 'us-east4' };
  expect(read(theirs).cloud).toMatchObject({ project: 'their-project', region: 'us-east4' });
  expect(read({ ...theirs, ...place }).cloud).toMatchObject({ project: 'my-project', region: 'europe-west1' });
  expect(read({ ...theirs, GOOGLE_CLOUD_REGION: '' }).cloud).toBeUndefined();
});

test('the local backend knows the place too, where there is one, and needs none', () => {
  expect(read(place)).toMatchObject({ backend: 'local', cloud: { project: 'my-project' } });
  expect(read({ RUNYARD_PROJECT: 'my-project' }).cloud).toBeUndefined();
});

describe('what is wrong stops the start with one sentence that names it', () => {
  test.each<[string, Record<string, string>, RegExp]>([
    ['no project', { RUNYARD_BACKEND: 'cloud-run', RUNYARD_REGION: 'us-east4' }, /RUNYARD_PROJECT .*RUNYARD_REGION/],
    ['no region', { RUNYARD_BACKEND: 'cloud-run', RUNYARD_PROJECT: 'my-project' }, /RUNYARD_PROJECT .*RUNYARD_REGION/],
    [
      'a name that is no id of a project',
      { ...cloud, RUNYARD_PROJECT: 'My Project' },
      /^--project \(RUNYARD_PROJECT\)/,
    ],
    ['a zone', { ...cloud, RUNYARD_REGION: 'europe-west1-b' }, /^--region \(RUNYARD_REGION\) must be a region/],
    ['a job with capitals', { ...cloud, RUNYARD_JOB: 'Yard' }, /^--job \(RUNYARD_JOB\)/],
    ['a URL of a bucket', { ...cloud, RUNYARD_BUCKET: 'gs://bucket' }, /^--bucket \(RUNYARD_BUCKET\) must be the name/],
    [
      'a key by its short name',
      { ...cloud, RUNYARD_KMS_KEY: 'tasks' },
      /^--kms-key \(RUNYARD_KMS_KEY\) must be projects/,
    ],
    [
      'a version of a key',
      { ...cloud, RUNYARD_KMS_KEY: 'projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1' },
      /^--kms-key \(RUNYARD_KMS_KEY\) must be projects/,
    ],
    [
      'an endpoint without a scheme',
      { ...cloud, RUNYARD_RUN_ENDPOINT: '127.0.0.1:1' },
      /^--run-endpoint \(RUNYARD_RUN_/,
    ],
    ['an endpoint of another scheme', { ...cloud, RUNYARD_STS_ENDPOINT: 'ftp://x' }, /^--sts-endpoint \(RUNYARD_STS_/],
    [
      'half an emulator',
      { ...cloud, STORAGE_EMULATOR_HOST: 'x:1' },
      /^STORAGE_EMULATOR_HOST .*RUNYARD_STORAGE_ENDPOINT/,
    ],
    ['a log of secrets', { ...cloud, GOOGLE_SDK_NODE_LOGGING: 'all' }, /^GOOGLE_SDK_NODE_LOGGING .*unset/],
    ['the same beside the local backend', { ...place, GOOGLE_SDK_NODE_LOGGING: 'kms' }, /^GOOGLE_SDK_NODE_LOGGING/],
  ])('%s', (_, env, sentence) => {
    const reading = () => read(env);
    expect(reading).toThrow(SettingsError);
    expect(reading).toThrow(sentence);
  });

  test('a password in an endpoint is refused and not repeated', () => {
    const env = { ...cloud, RUNYARD_KMS_ENDPOINT: 'https://user:hunter2@kms.example' };
    expect(() => read(env)).toThrow(/^--kms-endpoint \(RUNYARD_KMS_ENDPOINT\)/);
    expect(() => read(env)).not.toThrow('hunter2');
  });
});
