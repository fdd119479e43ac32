import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { bucketSettings, lifecycleOf } from '../../../src/commands/deploy/bucket.ts';
import { usdOfServicePerMonth, usdOfTask } from '../../../src/commands/deploy/cost.ts';
import { firstDifference } from '../../../src/commands/deploy/covers.ts';
import { grantsOf } from '../../../src/commands/deploy/grants.ts';
import { jobBody } from '../../../src/commands/deploy/jobs.ts';
import { serverCommand, serviceBody } from '../../../src/commands/deploy/service.ts';
import { readSecretDeclarations } from '../../../src/config/secrets.ts';
import { keys } from '../../../src/contracts/keys.ts';
import { installation } from './deploy-installation.ts';

const image = `europe-west1-docker.pkg.dev/demo-project/runyard/runyard@sha256:${'0'.repeat(64)}`;

test('C3: the bucket is never public, and keeps nothing that was deleted', () => {
  expect(bucketSettings(30)).toMatchObject({
    iamConfiguration: { uniformBucketLevelAccess: { enabled: true }, publicAccessPrevention: 'enforced' },
    versioning: { enabled: false },
    softDeletePolicy: { retentionDurationSeconds: '0' },
  });
});

describe('prior A17b C8c: what the bucket forgets by itself', () => {
  const rules = lifecycleOf(30);
  const ruleFor = (key: string) =>
    rules.find(({ condition }) => condition.matchesPrefix?.some((prefix) => key.startsWith(prefix)))?.condition;
  const id = 'task_01890a5d-ac96-774b-bcce-b302099a8057';
  const task = { age: 31 };

  test.each<[string, string, object]>([
    ['the index of keys', keys.idempotency('o', 'k'), task],
    ['what has not ended', keys.pending('o', id), task],
    ['what is listed', keys.taskOf('o', id), task],
    ['the task', keys.record(id), task],
    ['its results', keys.result(id, 0), task],
    ['its artifacts', keys.artifact(id, 0, 'output/a'), task],
    ['what is sealed', keys.sealed(id), { age: 2 }],
    ['an input', 'inputs/owner/abc.tar.zst', { daysSinceCustomTime: 7 }],
    ['an archive of a build', 'deploy/abc.tar.gz', { age: 1 }],
  ])('%s', (_, key, condition) => {
    expect(ruleFor(key)).toMatchObject(condition);
  });

  test('but never what requests are compared by', () => {
    expect(ruleFor(keys.macKey)).toBeUndefined();
  });
});

test('prior A13a: a job is what the runner needs: one try, its account, its wall, and where things are', () => {
  const body = jobBody({ ...installation, network: { network: 'n', subnet: 's' } }, 'medium', image);
  expect(body).toEqual({
    launchStage: 'BETA',
    template: {
      taskCount: 1,
      template: {
        maxRetries: 0,
        timeout: '90000s',
        serviceAccount: 'runyard-runner@demo-project.iam.gserviceaccount.com',
        executionEnvironment: 'EXECUTION_ENVIRONMENT_GEN2',
        containers: [
          {
            image,
            env: [
              { name: 'RUNYARD_PROJECT', value: 'demo-project' },
              { name: 'RUNYARD_REGION', value: 'europe-west1' },
              { name: 'RUNYARD_BUCKET', value: 'demo-bucket' },
              { name: 'RUNYARD_KMS_KEY', value: installation.place.kmsKey },
            ],
            resources: { limits: { cpu: '2', memory: '8Gi' } },
            sandboxLauncher: true,
          },
        ],
        vpcAccess: { egress: 'ALL_TRAFFIC', networkInterfaces: [{ network: 'n', subnetwork: 's' }] },
      },
    },
  });
  const custom = {
    ...installation,
    place: { ...installation.place, endpoints: { storage: 'http://s', sts: 'http://t' } },
  };
  expect(jobBody(custom, 'small', image).template.template.containers[0]?.env).toEqual(
    expect.arrayContaining([
      { name: 'RUNYARD_STORAGE_ENDPOINT', value: 'http://s' },
      { name: 'RUNYARD_STS_ENDPOINT', value: 'http://t' },
    ]),
  );
});

test('the service is always there, and its secrets are references', () => {
  const body = serviceBody(installation, image, true);
  expect(body).toMatchObject({
    template: {
      serviceAccount: 'runyard-server@demo-project.iam.gserviceaccount.com',
      scaling: { minInstanceCount: 1 },
      containers: [
        {
          image,
          args: expect.arrayContaining(['serve', '--http', '0.0.0.0:8080']),
          ports: [{ containerPort: 8080 }],
          resources: { cpuIdle: false },
          startupProbe: { httpGet: { path: '/readyz', port: 8080 } },
        },
      ],
    },
  });
  const env = body.template.containers[0]!.env;
  expect(env.filter((each) => 'valueSource' in each).map(({ name }) => name)).toEqual([
    'RUNYARD_API_KEYS',
    'ANTHROPIC_API_KEY',
  ]);
  const secrets = env.find(({ name }) => name === 'RUNYARD_SECRETS');
  const text = secrets !== undefined && 'value' in secrets ? secrets.value : '';
  const sources = { flags: [], env: {}, userHome: '/', isRoot: false, readFile: () => undefined };
  expect(readSecretDeclarations(text, 'RUNYARD_SECRETS', sources)).toEqual(installation.secrets.slice(0, 2));
});

const dockerfile = new URL('../../../sandbox-image/Dockerfile', import.meta.url);

test('the service is started by what the image holds', () => {
  const entry = /^ENTRYPOINT (\[.*\])$/m.exec(readFileSync(dockerfile, 'utf8'))?.[1] ?? '[]';
  expect(serverCommand.map((word) => word.replace('/dist/main.js', '/dist/runner/main.js'))).toEqual(JSON.parse(entry));
});

describe('who may do what', () => {
  const grants = grantsOf({ ...installation, withService: true });
  const rolesOf = (account: string) => grants.filter((grant) => grant.account === account).map(({ role }) => role);

  test('C1 C2: the runner may leave results, read inputs and open what is sealed, and nothing else', () => {
    expect(
      grants
        .filter(({ account }) => account === 'runner')
        .map(({ role, on, condition }) => [role, on.kind, condition?.expression]),
    ).toEqual([
      [
        'roles/storage.objectCreator',
        'bucket',
        "resource.name.startsWith('projects/_/buckets/demo-bucket/objects/tasks/')",
      ],
      [
        'roles/storage.legacyObjectReader',
        'bucket',
        "resource.name.startsWith('projects/_/buckets/demo-bucket/objects/inputs/')",
      ],
      ['roles/cloudkms.cryptoKeyDecrypter', 'key', undefined],
    ]);
  });

  test('nobody is an owner, an editor or an administrator, and nobody may act as somebody else', () => {
    for (const { role } of grants) expect(role).not.toMatch(/owner|editor|admin|serviceAccountUser|TokenCreator/i);
  });

  test('only what Google has on projects alone is granted on the project', () => {
    expect(grants.filter(({ on }) => on.kind === 'project').map(({ account, role }) => [account, role])).toEqual([
      ['build', 'roles/logging.logWriter'],
    ]);
  });

  test('each declared secret is the server’s, one by one', () => {
    const read = grants.filter(({ role }) => role === 'roles/secretmanager.secretAccessor');
    expect(read.map(({ account, on }) => [account, on.name.split('/').at(-1)])).toEqual([
      ['server', 'runyard-api-keys'],
      ['server', 'runyard-anthropic-api-key'],
      ['server', 'npm'],
      ['server', 'hook'],
    ]);
  });

  test('the table of the README is that of the code', () => {
    const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
    const rows = readme.matchAll(/^\| `(runyard-\w+)` \| (.+?) \|/gm);
    const told = [...rows].flatMap(([, account, roles = '']) =>
      roles.split(', ').map((role) => `${account} ${role.replaceAll('`', '')}`),
    );
    const granted = new Set(grants.map(({ account, role }) => `runyard-${account} ${role}`));
    expect(told.sort()).toEqual([...granted].sort());
  });

  test('with an image that was named nobody builds', () => {
    expect(rolesOf('build')).not.toEqual([]);
    expect(grantsOf({ ...installation, givenImage: image }).some(({ account }) => account === 'build')).toBe(false);
  });
});

test('the cost of a task is its formula', () => {
  expect(usdOfTask('small', 60)).toBeCloseTo(0.00132, 10);
  expect(usdOfTask('large', 3600)).toBeCloseTo(0.7488, 10);
  expect(usdOfServicePerMonth()).toBeCloseTo(52.6, 1);
});

test.each<[string, unknown, unknown, string | undefined]>([
  ['more than wanted is fine', { a: 1, b: { c: 2, d: 3 } }, { b: { c: 2 } }, undefined],
  ['another value', { b: { c: 2 } }, { b: { c: 3 } }, 'b.c'],
  ['one that is missing', { b: {} }, { b: { c: 3 } }, 'b.c'],
  ['a whole part that is missing', {}, { b: { c: [1] } }, 'b'],
  ['a list of another length', { l: [1, 2] }, { l: [1] }, 'l'],
  ['an element', { l: [{ n: 'a' }] }, { l: [{ n: 'b' }] }, 'l[0].n'],
  ['what Google leaves out because it is zero', { t: {} }, { t: { maxRetries: 0, cpuIdle: false } }, undefined],
])('compared to what is wanted: %s', (_, present, wanted, path) => {
  expect(firstDifference(present, wanted)).toBe(path);
});
