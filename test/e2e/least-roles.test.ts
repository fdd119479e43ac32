import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { knownRoles } from '../fakes/google/policy-roles.ts';
import { type Google, startGoogle } from '../fakes/google/yard.ts';
import { type ModelServer, say, startModelServer, useBash } from '../fakes/model-server.ts';
import { startReceiver, type WebhookReceiver } from '../fakes/webhook-receiver.ts';
import { lacking } from './claude-runs.ts';
import { deployed, deployWithout, inWords } from './deployed.ts';
import { createHome, type Served, serve, wholeLog } from './served.ts';

/** The roles that `deploy` grants are enough, and each is needed for something that says, without it, what it lacks. */

const { home, remove } = createHome();
const roots = mkdtempSync(join(tmpdir(), 'runyard-roots-'));
writeFileSync(join(roots, 'note'), 'brought along');
let google: Google;
let served: Served;
let model: ModelServer;
let receiver: WebhookReceiver;
let granted: Awaited<ReturnType<typeof deployed>>['bindings'];
beforeAll(async () => {
  granted = (await deployed(['npm'])).bindings;
  google = await startGoogle({ access: { bindings: granted } });
  google.secretManager.addVersion('projects/a-project/secrets/npm', 'a-token\n');
  model = await startModelServer([useBash('echo $NPM_TOKEN $(cat input/note) > output/it'), say('Done.')]);
  receiver = await startReceiver();
  const { host, port } = receiver.target;
  served = await serve(home, {
    ...google.env,
    RUNYARD_SECRETS: `secret-manager:npm env webhook@${host}:${port}`,
    RUNYARD_CALLBACK_ALLOW: `${host}:${port}`,
    RUNYARD_INPUT_ROOTS: roots,
    ANTHROPIC_API_KEY: 'sk-ant-of-this-test',
    ANTHROPIC_BASE_URL: model.url,
  });
});
afterAll(async () => {
  await served.close();
  await google.close();
  await model.close();
  await receiver.close();
  remove();
  rmSync(roots, { recursive: true });
});

const bash = (code: string, more: Record<string, unknown> = {}) => ({ language: 'bash', code, ...more });
const start = async (code: string, more: Record<string, unknown> = {}) =>
  String((await served.call('execute_code', bash(code, { wait_seconds: 0, ...more }))).task_id);
const claude = {
  prompt: 'Write it down.',
  secrets: { NPM_TOKEN: 'secret-manager:npm' },
  inputs: [{ name: 'note', from: join(roots, 'note') }],
};

describe('they are enough', () => {
  test('for programs, several runs, artifacts, logs, time limits and cancelling', async () => {
    const [runs, slow, endless] = await Promise.all([
      served.call('execute_code', bash('echo run $RUNYARD_RUN; echo $RUNYARD_RUN > output/n', { runs: 3 })),
      served.call('execute_code', bash('sleep 50', { timeout_seconds: 2 })),
      start('echo begun; sleep 50', { size: 'medium' }),
    ]);
    expect(runs).toMatchObject({ status: 'succeeded', runs: [0, 1, 2].map((n) => ({ stdout: `run ${n}\n` })) });
    const artifact = { task_id: runs.task_id, run: 2, path: 'output/n' };
    expect(await served.call('read_artifact', artifact)).toMatchObject({ text: '2\n' });
    expect(slow).toMatchObject({ status: 'timed_out' });
    const logs = () => served.call('get_task_logs', { task_id: endless, cursor: 'start', wait_seconds: 5 });
    await expect.poll(async () => JSON.stringify(await logs()), { timeout: 30_000 }).toContain('begun');
    expect(await served.call('cancel_task', { task_id: endless })).toMatchObject({ status: 'cancelled' });
    expect(await wholeLog(served, endless)).toMatchObject({ status: 'cancelled', lines: ['begun'] });
    expect(await served.call('list_tasks', {})).toMatchObject({ tasks: { length: 3 } });
  }, 120_000);

  test('for a task under an idempotency key, whose key a second server opens', async () => {
    const own = createHome();
    const once = bash('echo once', { idempotency_key: 'the same' });
    const first = await served.call('execute_code', once);
    const second = await serve(own.home, google.env);
    expect(await second.call('execute_code', once)).toMatchObject({ task_id: first.task_id, stdout: 'once\n' });
    await second.close();
    own.remove();
  });

  test.skipIf(lacking !== undefined)(
    `for a Claude task with a secret of Secret Manager, an input and a webhook (needs ${lacking ?? 'nothing'})`,
    async () => {
      const answer = await served.call('run_claude_task', { ...claude, callback_url: receiver.url });
      expect(answer).toMatchObject({ status: 'succeeded' });
      const artifact = { task_id: answer.task_id, path: 'output/it' };
      expect(await served.call('read_artifact', artifact)).toMatchObject({ text: 'a-token brought along\n' });
      // It has told the webhook, and noted that.
      await expect.poll(() => google.run.executions().at(-1)!.tasks[0]!.exitCode).toBe(0);
      expect(receiver.received).toHaveLength(1);
    },
  );

  test('and nobody was refused anything, but who asked whether a task was cancelled, or begun', () => {
    const refused = (account: 'server' | 'runner') =>
      google.access![account].visits.filter(({ status }) => status === 401 || status === 403);
    expect(refused('server')).toEqual([]);
    // Who may not list is told "forbidden" of what is not there.
    const others = refused('runner').filter(({ url }) => !/%2Fcancel\?|%2Fclaims%2F\d+\?/.test(url));
    expect(others).toEqual([]);
  });
});

interface Row {
  readonly binding: string;
  /** Without it. */
  readonly fails: string;
  readonly words: RegExp;
  /** What it takes and is not here. */
  readonly missing?: string | undefined;
  /** Before it is taken away; resolves to a task. */
  readonly before?: () => Promise<string>;
  /** What is said. Done again until the words fall. */
  readonly act: (task: string) => Promise<string>;
}

const bucket = 'buckets/a-project-runyard';
const said = (tool: string, input: Record<string, unknown>) =>
  served.call(tool, input).then(JSON.stringify, (error: Error) => error.message);

const ofJobs = ['small', 'medium', 'large'].flatMap((size): Row[] => [
  {
    binding: `runyard-server as roles/run.jobsExecutorWithOverrides on jobs/runyard-${size}`,
    fails: `no task of size ${size} starts`,
    words: new RegExp(`It is forbidden to run \\S+/runyard-${size}: .* lacks the permission run.jobs.runWithOverrides`),
    act: () => said('execute_code', bash('true', { size })),
  },
  {
    binding: `runyard-server as roles/run.viewer on jobs/runyard-${size}`,
    fails: `whoever waits for a task of size ${size} is told that it cannot be seen`,
    words: new RegExp(`It is forbidden to look at \\S+runyard-${size}\\S+: .* lacks the permission run.executions.get`),
    before: () => {
      google.run.plan({ neverStarts: true });
      return start('true', { size });
    },
    act: (task) => said('get_task_logs', { task_id: task, wait_seconds: 3 }),
  },
]);

const rows: Row[] = [
  {
    binding: `runyard-server as roles/storage.objectUser on ${bucket}`,
    fails: 'nothing can be submitted',
    words: /runyard-server@a-project\S+ lacks storage.objects.create on the bucket .*"runyard deploy"/s,
    act: () => said('execute_code', bash('true')),
  },
  {
    binding: `runyard-runner as roles/storage.objectCreator on ${bucket}`,
    fails: 'no run can be claimed, and the task says so after its last launch',
    words: /launched 3 times and no runner began it: the bucket refused what its runner wrote \(.*runyard deploy/,
    before: () => start('true'),
    act: (task) => said('get_task_logs', { task_id: task, wait_seconds: 10 }),
  },
  {
    binding: `runyard-runner as roles/storage.legacyObjectReader on ${bucket}`,
    fails: `no run has its inputs, and that is its result (needs ${lacking ?? 'nothing'})`,
    missing: lacking,
    words: /runyard-runner@a-project\S+ lacks storage.objects.get on the bucket/,
    act: () => said('run_claude_task', { prompt: 'Look.', inputs: claude.inputs }),
  },
  {
    binding: 'runyard-server as roles/cloudkms.cryptoKeyEncrypterDecrypter on cryptoKeys/tasks',
    fails: 'nothing can be sealed',
    words: /The sealing key \S+ may not be used: .* lacks the permission cloudkms.cryptoKeyVersions.useToEncrypt/,
    act: () => said('execute_code', bash('true')),
  },
  {
    binding: 'runyard-runner as roles/cloudkms.cryptoKeyDecrypter on cryptoKeys/tasks',
    fails: 'no run can open what it is to do, and that is its result',
    words: /"failed".*The sealing key \S+ may not be used: .* lacks .*cloudkms.cryptoKeyVersions.useToDecrypt/,
    before: () => {
      google.run.plan({ startDelayMs: 500 });
      return start('true');
    },
    act: (task) => said('get_task_logs', { task_id: task, wait_seconds: 10 }),
  },
  {
    binding: 'runyard-server as roles/secretmanager.secretAccessor on secrets/npm',
    fails: 'a task that references the secret is refused',
    words: /secret-manager:npm cannot be read: .* lacks the permission secretmanager.versions.access on projects/,
    act: () => said('run_claude_task', claude),
  },
  ...ofJobs,
  ...[
    [`roles/storage.objectViewer on ${bucket}`, 'fetches no archive', 'storage.objects.get'],
    ['roles/logging.logWriter on projects/a-project', 'writes no log', 'logging.logEntries.create'],
    ['roles/artifactregistry.writer on repositories/runyard', 'pushes no image', 'repositories.uploadArtifacts'],
  ].map(
    ([role = '', fails = '', permission]): Row => ({
      binding: `runyard-build as ${role}`,
      fails: `the build of the image ${fails}, and deploy says so`,
      words: new RegExp(`could not build the image \\(FAILURE: runyard-build@\\S+ does not have \\S*${permission}`),
      act: () => deployWithout(/^\S+/.exec(role)![0]),
    }),
  ),
];

describe('each is needed', () => {
  test('every binding that deploy writes has a row here, and every role of them is in the table of permissions', () => {
    expect(rows.map(({ binding }) => binding).sort()).toEqual(granted.map(inWords).sort());
    expect([...new Set(granted.map(({ role }) => role))].sort()).toEqual([...knownRoles].sort());
  });

  const titled = rows.map((row) => [row.binding, row.fails, row] as const);
  test.for(titled)('%s: without it %s', async ([binding, , { words, missing, before, act }], { skip }) => {
    skip(missing !== undefined, missing);
    const task = (await before?.()) ?? '';
    const giveBack = google.access!.policy.takeAway(granted.find((each) => inWords(each) === binding)!);
    try {
      await expect.poll(() => act(task), { timeout: 55_000, interval: 200 }).toMatch(words);
    } finally {
      giveBack();
    }
  });

  test('without the right to cancel a task says so, and with it the same call cancels', async () => {
    google.run.plan({ neverStarts: true });
    const task = await start('true');
    const executor = granted.find((each) => /jobsExecutor.*runyard-small/.test(inWords(each)))!;
    const giveBack = google.access!.policy.takeAway(executor);
    expect(await served.refusal('cancel_task', { task_id: task })).toMatch(
      /forbidden to cancel .*run.executions.cancel/,
    );
    giveBack();
    expect(await served.call('cancel_task', { task_id: task })).toMatchObject({ status: 'cancelled' });
  });

  test('and with all of them back, all is as it was', async () => {
    expect(await served.call('execute_code', bash('echo well'))).toMatchObject({ stdout: 'well\n' });
  });
});
