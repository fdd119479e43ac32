import { createHash, randomBytes } from 'node:crypto';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { startSecretManager } from '../fakes/google/secret-manager.ts';
import { createHome, filesHolding, serve } from './served.ts';

/** A sweep of every byte that Runyard wrote, for everything private that was handed in. */

const { home, remove } = createHome();
afterAll(remove);

const mark = () => randomBytes(12).toString('hex');
const handedIn = {
  modelKey: `sk-ant-${mark()}`,
  githubToken: `ghp_${mark()}`,
  env: mark(),
  stdin: mark(),
  argument: mark(),
  file: mark(),
  code: mark(),
  secret: mark(),
  cloudSecret: mark(),
};

const input = {
  language: 'bash',
  code: `: ${handedIn.code}\nfor second in 1 2 3; do sleep 0.5; done\necho "$TOKEN" | wc -c`,
  env: { TOKEN: handedIn.env },
  stdin: handedIn.stdin,
  args: [handedIn.argument],
  files: [{ path: 'private.txt', content: handedIn.file }],
};

function found(folder: string): Record<string, string[]> {
  const hits = Object.entries(handedIn).map(([name, text]) => [name, filesHolding(folder, text)] as const);
  return Object.fromEntries(hits.filter(([, files]) => files.length > 0));
}

test('nothing that was handed in lies readable in store or log, while the task runs and after it; nothing at all in the workspaces after it', async () => {
  const served = await serve(home, {
    ANTHROPIC_API_KEY: handedIn.modelKey,
    GITHUB_TOKEN: handedIn.githubToken,
    GITHUB_API_URL: 'http://127.0.0.1:9',
  });
  const { task_id: taskId } = await served.call('execute_code', { ...input, idempotency_key: mark(), wait_seconds: 1 });
  expect(found(`${home}/store`)).toEqual({});
  const logs = await served.call('get_task_logs', { task_id: taskId, wait_seconds: 20 });
  expect(logs).toMatchObject({ status: 'succeeded', result: { stdout: '25\n' } });
  for (const text of Object.values(handedIn)) expect(JSON.stringify(logs)).not.toContain(text);
  const refusal = await served.refusal('github_create_issue', { repo: 'a/b', title: 't', body: 'b' });
  expect(refusal).not.toContain(handedIn.githubToken);
  await expect.poll(() => found(home), { timeout: 20_000 }).toEqual({});
  await served.close();
});

test('what a request with bad fields held is not kept either', async () => {
  const served = await serve(home);
  const refusal = await served.refusal('execute_code', { ...input, language: 'cobol' });
  for (const text of Object.values(handedIn)) expect(refusal).not.toContain(text);
  await served.close();
  expect(found(home)).toEqual({});
});

test('T6: a secret of the operator reaches the program it is for, and no file, log or answer', async () => {
  const manager = await startSecretManager();
  onTestFinished(manager.close);
  manager.addVersion('projects/a-project/secrets/npm', `${handedIn.cloudSecret}\n`);
  const served = await serve(home, {
    ANTHROPIC_API_KEY: handedIn.modelKey,
    GITHUB_TOKEN: handedIn.githubToken,
    NPM_TOKEN: `${handedIn.secret}\n`,
    RUNYARD_SECRETS: 'env:NPM_TOKEN env, secret-manager:npm env',
    RUNYARD_PROJECT: 'a-project',
    RUNYARD_REGION: 'europe-west1',
    RUNYARD_SECRET_MANAGER_ENDPOINT: manager.url,
  });
  const run = (fields: object) => ({
    prompt: 'x',
    setup_commands: ['printf %s "$TOKEN$CLOUD" | sha256sum; exit 7'],
    ...fields,
  });
  const output = await served.call(
    'run_claude_task',
    run({ secrets: { TOKEN: 'env:NPM_TOKEN', CLOUD: 'secret-manager:npm' }, wait_seconds: 30 }),
  );
  expect(output).toMatchObject({ status: 'failed', error: { code: 'command_failed' } });
  const logs = JSON.stringify(await served.call('get_task_logs', { task_id: output.task_id, wait_seconds: 10 }));
  expect(logs).toContain(
    createHash('sha256')
      .update(handedIn.secret + handedIn.cloudSecret)
      .digest('hex'),
  );
  const refusals = [
    await served.refusal('run_claude_task', run({ secrets: { TOKEN: 'env:GITHUB_TOKEN' } })),
    await served.refusal('run_claude_task', run({ secrets: { TOKEN: handedIn.secret } })),
    await served.refusal('run_claude_task', run({ secrets: { TOKEN: 'env:NPM_TOKEN' }, env: { TOKEN: 'x' } })),
    await served.refusal('run_claude_task', run({ secrets: { 'A-B': 'env:NPM_TOKEN' } })),
  ];
  expect(refusals).toEqual([
    expect.stringMatching(/forbidden: The secret reference env:GITHUB_TOKEN is not declared for you/),
    expect.stringMatching(/invalid_request: secrets.TOKEN: is no reference such as env:NAME/),
    expect.stringMatching(/invalid_request: secrets.TOKEN: stands in env too/),
    expect.stringMatching(/invalid_request: secrets.A-B: is no name of an environment variable/),
  ]);
  const told = JSON.stringify([output, logs, ...refusals]);
  for (const text of [handedIn.secret, handedIn.cloudSecret, handedIn.modelKey, handedIn.githubToken])
    expect(told).not.toContain(text);
  await expect.poll(() => found(home), { timeout: 20_000 }).toEqual({});
  await served.close();
});
