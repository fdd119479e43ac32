import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Webhook } from 'standardwebhooks';
import { expect, test, vi } from 'vitest';
import { openRepositories, type Repositories, startGitServer } from '../fakes/git-server.ts';
import { say, startModelServer, toolResults, useBash } from '../fakes/model-server.ts';
import { startReceiver, type WebhookReceiver } from '../fakes/webhook-receiver.ts';
import { onEngine, startTimeoutMs } from './engine.ts';

/** What lies around a Claude task: a repository, inputs, secrets, hosts, a receiver of its result. */

// Several tasks one after the other, each of which may take its time where the machine is busy.
vi.setConfig({ testTimeout: startTimeoutMs });

const key = 'sk-ant-the-key-of-these-tests';
const token = 'ghp_the-token-of-the-operator';
const hookSecret = `whsec_${Buffer.from('the secret of a receiver, 32 byt').toString('base64')}`;

interface Surroundings {
  readonly repositories: Repositories;
  readonly gitUrl: string;
  readonly folder: string;
  readonly receiver: WebhookReceiver;
}
/** `meanwhile` happens once Claude has done its work, and before it is answered. */
const open: { surroundings?: Surroundings; meanwhile?: () => void } = {};

/** A model that runs what stands in the prompt between marks, and answers with what that printed. */
const obedient = () =>
  startModelServer(
    ({ body, turn }) => {
      const [, quoted = ''] = /RUN\[\[(.*?)\]\]/.exec(JSON.stringify(body.messages[0]?.content)) ?? [];
      if (turn === 0) return useBash(JSON.parse(`"${quoted}"`));
      open.meanwhile?.();
      return say(toolResults(body).join('\n') || 'nothing');
    },
    { key },
  );

async function surroundings() {
  const repositories = openRepositories();
  const folder = mkdtempSync(join(tmpdir(), 'runyard-inputs-'));
  const [git, model, receiver] = await Promise.all([
    startGitServer(repositories.dir, { password: token }),
    obedient(),
    startReceiver(),
  ]);
  open.surroundings = { repositories, gitUrl: git.url, folder, receiver };
  const { port } = receiver.target;
  return {
    env: {
      ANTHROPIC_API_KEY: key,
      ANTHROPIC_BASE_URL: model.url,
      RUNYARD_GIT_ALLOW: `127.0.0.1:${git.port}`,
      RUNYARD_CALLBACK_ALLOW: `127.0.0.1:${port}`,
      RUNYARD_INPUT_ROOTS: folder,
      RUNYARD_ALLOWED_DOMAINS: 'example.org',
      RUNYARD_SECRETS: `env:GIT git@127.0.0.1:${git.port}, env:HOOK webhook@127.0.0.1:${port}, env:NPM env`,
      GIT: token,
      HOOK: hookSecret,
      NPM: 'npm_the-value',
    },
    async close() {
      await Promise.all([git.close(), model.close(), receiver.close()]);
      repositories.remove();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

onEngine(
  'what lies around run_claude_task',
  (tools) => {
    const around = () => open.surroundings!;
    const run = (command: string, more: object = {}) =>
      tools().call('run_claude_task', { prompt: `RUN[[${command}]]`, wait_seconds: 60, ...more });

    test('row 14, 15: a repository is cloned, worked on, committed and pushed', async () => {
      const remote = around().repositories.create('shop', { 'a.txt': 'one\n' });
      const commit = { message: 'Add a line' };
      const repo = { url: `${around().gitUrl}/shop`, secret: 'env:GIT', commit };
      const output = await run('echo two >> a.txt; cat a.txt', { repo });
      expect(output, JSON.stringify(output)).toMatchObject({
        status: 'succeeded',
        response: expect.stringContaining('one\ntwo'),
        git: { branch: 'main', pushed: true },
      });
      expect(remote.git('show', 'main:a.txt')).toBe('one\ntwo');
    });

    test('prior A6b: row 15: where the branch has moved on and nothing else is said, nothing of others is lost', async () => {
      const remote = around().repositories.create('moved', { 'a.txt': 'one\n' });
      const repo = { url: `${around().gitUrl}/moved`, secret: 'env:GIT', commit: { message: 'Mine' } };
      const moved = { to: '' };
      open.meanwhile = () => {
        moved.to = remote.commit({ 'a.txt': 'theirs\n' });
        delete open.meanwhile;
      };
      const output = await run('echo mine > a.txt', { repo });
      expect(output).toMatchObject({ status: 'failed', error: { code: 'git_error' }, git: { pushed: false } });
      expect(moved.to).toMatch(/^[0-9a-f]{40}$/);
      expect(remote.git('rev-parse', 'main')).toBe(moved.to);
    });

    test('row 16, 17: a folder of the operator lies below input/', async () => {
      mkdirSync(join(around().folder, 'data'));
      writeFileSync(join(around().folder, 'data/a.csv'), 'x,y\n');
      const inputs = [{ name: 'data', from: join(around().folder, 'data') }];
      expect(await run('cat input/data/a.csv', { inputs })).toMatchObject({ response: 'x,y' });
    });

    test('row 26: a secret of the operator is a variable of the task', async () => {
      const output = await run('printf %s $NPM_TOKEN | wc -c', { secrets: { NPM_TOKEN: 'env:NPM' } });
      expect(output).toMatchObject({ status: 'succeeded', response: '13' });
    });

    test('row 29: of all hosts those that were asked for may be reached; the others are denied at once', async () => {
      const curl = 'curl -sS https://other.example/ 2>&1; env | grep -c ^https_proxy';
      const output = await run(curl, { allowed_domains: ['example.org'] });
      expect(output.response).toMatch(/403[\s\S]*\n1$/);
      const { lines } = await tools().call('get_task_logs', { task_id: output.task_id, stream: 'denied' });
      expect(JSON.stringify(lines)).toContain('other.example');
    });

    test('row 23, 24: the end is told to the receiver, signed, with the metadata', async () => {
      const { receiver } = around();
      const output = await run('echo told', { callback_url: receiver.url, metadata: { ticket: 'T-1' } });
      await expect.poll(() => receiver.received, { timeout: 50_000 }).toHaveLength(1);
      const [{ headers, body } = { headers: {}, body: '' }] = receiver.received;
      expect(new Webhook(hookSecret).verify(body, headers)).toMatchObject({
        type: 'task.succeeded',
        data: { task_id: output.task_id, response: 'told', metadata: { ticket: 'T-1' } },
      });
    });
  },
  surroundings,
);
