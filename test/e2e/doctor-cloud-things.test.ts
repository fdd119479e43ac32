import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { contention } from '../bench/load.ts';
import { bucket, type DoctorYard, kmsKey, location, openDoctorYard } from './doctor-yard.ts';

/** The doctor where one thing of an installation is missing or not as deployed. */

let yard: DoctorYard;
beforeAll(async () => {
  yard = await openDoctorYard();
});
afterAll(() => yard.close());
afterEach(() => yard.calmDown());

describe('the bucket', () => {
  test('is not there', async () => {
    const { at, canTry } = await yard.looks({ RUNYARD_BUCKET: 'another-bucket' });
    expect(canTry).toBe(false);
    expect(at.bucket).toEqual({
      state: 'missing',
      detail: 'there is no bucket another-bucket in demo-project',
      remedy: expect.stringMatching(/runyard deploy.*RUNYARD_BUCKET/),
    });
    expect(at['rights on bucket']).toBeUndefined();
  });

  test('belongs to somebody else', async () => {
    const { at, canTry } = await yard.looks({ RUNYARD_BUCKET: 'bucket-of-others' });
    expect(canTry).toBe(false);
    expect(at.bucket).toMatchObject({
      state: 'missing',
      detail: 'The bucket bucket-of-others belongs to another project than demo-project.',
    });
  });

  test('C3: keeps what was deleted, is not closed, forgets otherwise; deploying again mends it', async () => {
    yard.admin.changeBucket(bucket, {
      softDeletePolicy: { retentionDurationSeconds: '604800' },
      versioning: { enabled: true },
      iamConfiguration: { uniformBucketLevelAccess: { enabled: false }, publicAccessPrevention: 'inherited' },
      lifecycle: { rule: [] },
    });
    const { at, canTry } = await yard.looks();
    expect(canTry).toBe(true);
    expect(at.bucket).toEqual({
      state: 'limited',
      detail: `${bucket}: access is not uniform, public access is not prevented, versioning keeps what was deleted, soft delete keeps what was deleted, other lifecycle rules`,
      remedy: expect.stringContaining('runyard deploy'),
    });
    await yard.deploy();
    expect((await yard.looks()).at.bucket?.state).toBe('ok');
  });
});

describe('the key', () => {
  test('is not there', async () => {
    const { at, canTry } = await yard.looks({ RUNYARD_KMS_KEY: kmsKey.replace('tasks', 'other') });
    expect(canTry).toBe(false);
    expect(at['KMS key']).toMatchObject({
      state: 'missing',
      detail: expect.stringMatching(/cryptoKeys\/other does not exist/),
      remedy: expect.stringMatching(/runyard deploy.*RUNYARD_KMS_KEY/),
    });
  });

  test('is disabled', async () => {
    yard.kms.setState(kmsKey, 1, 'DISABLED');
    const { at, canTry } = await yard.looks();
    yard.kms.setState(kmsKey, 1, 'ENABLED');
    expect(canTry).toBe(false);
    expect(at['KMS key']).toMatchObject({
      state: 'missing',
      detail: expect.stringMatching(/^Version 1 of the sealing key .* is disabled/),
      remedy: expect.stringContaining('gcloud kms keys versions enable 1'),
    });
  });

  test('is never rotated', async () => {
    const other = kmsKey.replace('tasks', 'unrotated');
    yard.kms.addKey(other);
    const { at } = await yard.looks({ RUNYARD_KMS_KEY: other });
    expect(at['KMS key']).toMatchObject({ state: 'limited', detail: expect.stringContaining('it is never rotated') });
  });
});

describe('a job', () => {
  interface PlainJob {
    launchStage: string;
    template: {
      template: {
        maxRetries: number;
        serviceAccount: string;
        containers: {
          image: string;
          sandboxLauncher?: boolean;
          env: { name: string; value: string }[];
          resources: { limits: { memory: string } };
        }[];
      };
    };
  }
  type Template = PlainJob['template']['template'];
  type Container = Template['containers'][number];

  /** As somebody does in the console. */
  const changeJob = async (size: string, change: (container: Container, template: Template) => void) => {
    const url = `${yard.run.url}/v2/${location}/jobs/runyard-${size}`;
    const job = (await (await fetch(url)).json()) as PlainJob;
    const { launchStage, template } = job;
    change(template.template.containers[0]!, template.template);
    const body = JSON.stringify({ launchStage, template });
    onTestFinished(() => yard.deploy());
    const headers = { 'content-type': 'application/json' };
    expect(await fetch(url, { method: 'PATCH', body, headers })).toMatchObject({ status: 200 });
  };
  const setTo = (name: string, value: string) => (container: Container) => {
    for (const each of container.env) if (each.name === name) each.value = value;
  };
  const without = (name: string) => (container: Container) => {
    container.env = container.env.filter((each) => each.name !== name);
  };

  test('is not there', async () => {
    const { at, canTry } = await yard.looks({ RUNYARD_JOB: 'nobodys' });
    expect(canTry).toBe(false);
    expect(at['job small']).toEqual({
      state: 'missing',
      detail: 'there is no job nobodys-small in europe-west1',
      remedy: expect.stringMatching(/runyard deploy.*RUNYARD_JOB and RUNYARD_REGION/),
    });
    expect(at['rights on jobs']).toBeUndefined();
  });

  test.each<[string, (container: Container, template: Template) => void, string]>([
    ['other bucket', setTo('RUNYARD_BUCKET', 'old'), `RUNYARD_BUCKET is old, not ${bucket}`],
    ['no key', without('RUNYARD_KMS_KEY'), `RUNYARD_KMS_KEY is not set (it must be ${kmsKey})`],
  ])('cannot find its task: %s', async (_, change, told) => {
    await changeJob('small', change);
    const { at, canTry } = await yard.looks();
    expect(canTry).toBe(false);
    expect(at['job small']).toMatchObject({ state: 'missing', detail: `runyard-small: ${told}` });
    await yard.deploy();
    expect((await yard.looks()).at['job small']?.state).toBe('ok');
  });

  const strangers = 'somebody@example.com';
  test.each<[string, (container: Container, template: Template) => void, RegExp]>([
    [
      'started again by the platform',
      (_, template) => {
        template.maxRetries = 3;
      },
      /^runyard-medium: Cloud Run starts what failed again, 3 times$/,
    ],
    [
      'C2: as somebody else',
      (_, template) => {
        template.serviceAccount = strangers;
      },
      /it runs as somebody@example\.com, not as runyard-runner@demo-project/,
    ],
    [
      'an image by its tag',
      (container) => {
        container.image = 'europe-docker.pkg.dev/p/r/i:latest';
      },
      /its image europe-docker\.pkg\.dev\/p\/r\/i:latest is not named by its digest/,
    ],
    [
      'the launcher is off',
      (container) => {
        delete container.sandboxLauncher;
      },
      /Google's launcher for sandboxes is off/,
    ],
    [
      'C4: more in its environment',
      (container) => void container.env.push({ name: 'API_KEY', value: 'value-of-key' }),
      /also has API_KEY/,
    ],
    [
      'less memory',
      (container) => {
        container.resources.limits.memory = '1Gi';
      },
      /template\.template\.containers\[0\]\.resources\.limits\.memory is not as deployed/,
    ],
    ['another region in its environment', setTo('RUNYARD_REGION', 'us-east1'), /RUNYARD_REGION is us-east1/],
  ])('is not as deployed: %s', async (_, change, told) => {
    await changeJob('medium', change);
    const { at, canTry } = await yard.looks();
    expect(canTry).toBe(true);
    expect(at['job medium']).toMatchObject({
      state: 'limited',
      detail: expect.stringMatching(told),
      remedy: expect.stringContaining('runyard deploy'),
    });
    expect(JSON.stringify(at)).not.toContain('value-of-key');
    expect(at['job small']?.state).toBe('ok');
    await yard.deploy();
    expect((await yard.looks()).at['job medium']?.state).toBe('ok');
  });

  test('cannot be run: Cloud Run says why', async () => {
    const sayNo = (body: string) =>
      body.replace('"CONDITION_SUCCEEDED"', '"CONDITION_FAILED", "message": "Image\\n gone."');
    yard.disturb = ({ method, url }) =>
      method === 'GET' && url.endsWith('/jobs/runyard-small') ? { kind: 'damage', change: sayNo } : undefined;
    const { at, canTry } = await yard.looks();
    expect(canTry).toBe(false);
    expect(at['job small']).toMatchObject({
      state: 'missing',
      detail: 'runyard-small: Cloud Run cannot run it: Image gone.',
    });
  });

  test('does not answer: no look takes longer than ten seconds', async () => {
    yard.disturb = ({ url }) => (/\/jobs\/runyard-(medium|large)/.test(url) ? { kind: 'silence' } : undefined);
    const busy = contention();
    const startedAt = performance.now();
    const { at } = await yard.looks();
    // The other looks go on beside it, and begin no new ten seconds after it.
    expect(performance.now() - startedAt).toBeLessThan(10_000 + 4_000 * Math.max(busy, contention()));
    expect(at['job medium']).toMatchObject({ state: 'missing', detail: 'no answer within 10 s' });
    expect(at['job small']).toMatchObject({ state: 'ok' });
  });
});
