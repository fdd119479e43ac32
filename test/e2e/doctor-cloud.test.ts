import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { invalidArgument, permissionDenied, serviceDisabled } from '../fakes/google/failure.ts';
import { bucket, type DoctorYard, openDoctorYard, project } from './doctor-yard.ts';

/** The doctor on an installation that `runyard deploy` made: whole, and where somebody may too much or too little. */

let yard: DoctorYard;
beforeAll(async () => {
  yard = await openDoctorYard();
});
afterAll(() => yard.close());
afterEach(() => yard.calmDown());
beforeEach(() => {
  vi.stubEnv('LOCAL', 'value-of-local');
});
afterEach(() => vi.unstubAllEnvs());

const member = (account: string) => `serviceAccount:runyard-${account}@${project}.iam.gserviceaccount.com`;
const npm = `projects/${project}/secrets/npm`;

describe('a whole installation', () => {
  test('everything is well, and a small task has told of its wall', async () => {
    const lines: string[] = [];
    const { ok, backend, findings } = await yard.examine({ tell: (line) => lines.push(line) });
    expect({ ok, backend }).toEqual({ ok: true, backend: 'cloud-run' });
    const subjects = findings.map(({ subject }) => subject);
    expect(new Set(subjects).size).toBe(subjects.length);
    const notOk = findings.filter(({ state }) => state !== 'ok').map(({ subject }) => subject);
    expect(notOk).toEqual(['model key', 'GitHub token']);
    const detail = (wanted: string) => findings.find(({ subject }) => subject === wanted)?.detail;
    expect(detail('trial')).toMatch(
      /^a small task ran on Cloud Run: it began after .*s, its result was here after .*s$/,
    );
    expect(detail('wall')).toMatch(
      /^bubblewrap holds: no interface but lo, user [1-9]\d*, no capability, \/ not writable, network none$/,
    );
    expect(detail('job large')).toMatch(/^image sha256:0123456789ab, 32 GiB/);
    expect(lines[0]).toMatch(/^A small task is on its way to runyard-small/);
    expect(yard.run.executions()).toHaveLength(1);
    const left = [...yard.storage.objects(bucket).keys()].filter((key) => !key.startsWith('meta/'));
    expect(left).toEqual([]);
    expect(JSON.stringify([findings, lines])).not.toMatch(/value-of-|ya29/);
  });

  test('an account that may run tasks and see nothing else is told what was not looked at, and runs', async () => {
    yard.denied.add('cloudkms.cryptoKeys.get').add('run.jobs.getIamPolicy');
    yard.disturb = ({ url }) =>
      /\/storage\/v1\/b\/[^/]+(\?|\/iam\?)|getIamPolicy|batchGet/.test(url)
        ? { kind: 'fail', failure: permissionDenied('some.things.get', 'something', 'googleapis.com') }
        : undefined;
    const { ok, findings } = await yard.examine();
    expect(ok).toBe(true);
    const limited = findings.filter(({ state }) => state === 'limited');
    expect(limited.map(({ subject }) => subject)).toEqual(['project', 'bucket', 'roles']);
    expect(limited[1]).toMatchObject({
      detail: expect.stringMatching(/^could not be looked at\. .*some\.things\.get/),
      remedy: expect.stringContaining('Run the doctor as whoever deployed'),
    });
    expect(findings.find(({ subject }) => subject === 'KMS key')).toMatchObject({ state: 'ok' });
  });
});

describe('what these credentials may', () => {
  test.each([
    ['storage.objects.create', 'rights on bucket', 'no task can be submitted', false],
    ['storage.objects.get', 'rights on bucket', 'no result is read, and no runner reads its task', false],
    ['storage.objects.list', 'rights on bucket', 'no task is followed or found again', false],
    ['storage.objects.delete', 'rights on bucket', 'what a task left is never removed', true],
    ['cloudkms.cryptoKeyVersions.useToEncrypt', 'rights on KMS key', 'no task can be submitted', false],
    ['cloudkms.cryptoKeyVersions.useToDecrypt', 'rights on KMS key', 'nothing sealed is opened', false],
    ['run.jobs.run', 'rights on jobs', 'no task of this size starts', false],
    ['run.jobs.runWithOverrides', 'rights on jobs', 'no task of this size starts', false],
    ['run.jobs.get', 'rights on jobs', 'the first task finds no connection ready', true],
    ['run.executions.get', 'rights on jobs', 'a lost runner goes unnoticed', true],
    ['run.tasks.list', 'rights on jobs', 'of several runs the lost one goes unnoticed', true],
    ['run.executions.cancel', 'rights on jobs', 'a cancelled task runs on until its time is up', true],
    ['secretmanager.versions.access', 'rights on secrets', 'a task that references it is refused', true],
  ])('not %s: it is named, with what fails without it', async (permission, subject, otherwise, canRun) => {
    yard.denied.add(permission);
    const { at, canTry } = await yard.looks();
    expect(canTry).toBe(canRun);
    expect(at[subject]).toMatchObject({
      state: canRun ? 'limited' : 'missing',
      detail: expect.stringMatching(new RegExp(`^${permission} on the \\w+ \\S+ is missing: .*${otherwise}`)),
      remedy: expect.stringMatching(
        /Run the server as runyard-server.*or grant roles\/\S+ .*to the account of this process/,
      ),
    });
    const others = Object.entries(at).filter(([other, { state }]) => other.startsWith('rights') && state !== 'ok');
    expect(others.map(([other]) => other)).toEqual([subject]);
  });

  test('what Google does not say of a thing is told as that', async () => {
    const failure = invalidArgument('Permission run.tasks.list is not valid for this resource.');
    yard.disturb = ({ url, body }) =>
      url.includes(':testIamPermissions') && body.includes('run.tasks.list') ? { kind: 'fail', failure } : undefined;
    yard.denied.add('run.executions.cancel');
    const { at } = await yard.looks();
    expect(at['rights on jobs']).toMatchObject({
      state: 'limited',
      detail: expect.stringContaining('run.executions.cancel'),
    });
    yard.denied.clear();
    expect((await yard.looks()).at['rights on jobs']).toMatchObject({
      state: 'limited',
      detail: 'Google does not say of run.tasks.list',
    });
  });
});

describe('what the accounts of the installation hold', () => {
  test('C1: a runner that may more, here or on the project, and one that may less', async () => {
    const before = yard.admin.state().policies[bucket]!.bindings;
    const tooMuch = { role: 'roles/storage.objectViewer', members: [member('runner')] };
    yard.admin.setPolicy(bucket, [...before.filter(({ role }) => !role.endsWith('objectCreator')), tooMuch]);
    const owners = [{ role: 'roles/owner', members: ['user:owner@example.com'] }];
    yard.admin.setPolicy(`projects/${project}`, [...owners, { role: 'roles/editor', members: [member('runner')] }]);
    const { at } = await yard.looks();
    expect(at.roles).toMatchObject({
      state: 'limited',
      detail: [
        `not runyard-runner as roles/storage.objectCreator on the bucket ${bucket}`,
        `also runyard-runner as roles/storage.objectViewer on the bucket ${bucket}`,
        'also runyard-runner as roles/editor on the project (take it away by hand)',
      ].join('; '),
      remedy: expect.stringContaining('runyard deploy'),
    });
    await yard.deploy();
    yard.admin.setPolicy(`projects/${project}`, owners);
    expect((await yard.looks()).at.roles?.state).toBe('ok');
  });
});

describe('the token of a task', () => {
  test('C1: one that opens more than its task is told', async () => {
    await yard.examine();
    yard.bounded = false;
    const { at } = await yard.looks();
    expect(at['token of a task']).toMatchObject({
      detail: expect.stringMatching(/it reads meta\/mac-key, which is none of its task, and it lists the bucket/),
    });
  });

  test('none is given', async () => {
    const failure = serviceDisabled('sts.googleapis.com', project);
    yard.disturb = ({ url }) => (url.startsWith('/v1/token') ? { kind: 'fail', failure } : undefined);
    const { at, canTry } = await yard.looks();
    expect(canTry).toBe(false);
    expect(at['token of a task']).toMatchObject({
      state: 'missing',
      detail: 'The API sts.googleapis.com is switched off in project demo-project.',
    });
  });
});

describe('declared secrets', () => {
  test('one without a value, and one that is not set', async () => {
    vi.stubEnv('LOCAL', undefined);
    yard.secrets.setState(npm, 1, 'DISABLED');
    // Whatever else is wrong: nothing is run for this.
    const { findings } = await yard.examine({ env: { RUNYARD_JOB: 'nobodys' } });
    yard.secrets.setState(npm, 1, 'ENABLED');
    const at = Object.fromEntries(findings.map(({ subject, ...told }) => [subject, told]));
    expect(at['secret secret-manager:npm']).toMatchObject({
      state: 'missing',
      detail: expect.stringMatching(
        /^secret-manager:npm cannot be read: the latest version .* is disabled or destroyed/,
      ),
    });
    expect(at['secret env:LOCAL']).toMatchObject({ state: 'missing', detail: expect.stringContaining('is not set') });
    expect(at.trial).toMatchObject({ state: 'missing', detail: 'not tried' });
  });
});
