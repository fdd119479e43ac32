import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type GitServer, openRepositories, type Repositories, startGitServer } from '../fakes/git-server.ts';
import { lackingSshd, type SshServer, startSshServer } from '../fakes/git-server-ssh.ts';
import { startGoogle } from '../fakes/google/yard.ts';
import { type ModelServer, say, startModelServer } from '../fakes/model-server.ts';
import { lacking } from './claude-runs.ts';
import { createHome, filesHolding, type ServedOverHttp, serveHttp } from './served.ts';

/** Credentials that a caller brings to a server that has its own: whom they reach, and where they are never found. */

const apiKey = `key-of-ci-${'x'.repeat(16)}`;
const mark = () => randomBytes(12).toString('hex');
const brought = { api: `sk-ant-api03-${mark()}`, oauth: `sk-ant-oat01-${mark()}`, github: `ghp_${mark()}` };
const own = { api: `sk-ant-api03-${mark()}`, github: `ghp_${mark()}` };

const { home, remove } = createHome();
interface Scene {
  served: ServedOverHttp;
  model: ModelServer;
  repositories: Repositories;
  /** The GitHub of this server: its API and its repositories. */
  github: GitServer;
  /** Another forge that the operator allows too. */
  elsewhere: GitServer;
  ssh: SshServer | undefined;
  stderr: string[];
}
const state: Partial<Scene> = {};
const scene = () => state as Scene;

beforeAll(async () => {
  const repositories = openRepositories();
  repositories.create('real', { 'a.txt': 'from the repository\n' });
  const model = await startModelServer([say('done')]);
  const github = await startGitServer(repositories.dir, { password: brought.github, instead: createIssue });
  const elsewhere = await startGitServer(repositories.dir, { password: brought.github });
  const ssh = lackingSshd === undefined ? await startSshServer() : undefined;
  if (ssh !== undefined) writeFileSync(join(home, 'known_hosts'), `${ssh.knownHost}\n`);
  const ports = [github, elsewhere, ssh].flatMap((each) => (each === undefined ? [] : [`127.0.0.1:${each.port}`]));
  const served = await serveHttp(home, {
    RUNYARD_API_KEYS: `ci:${apiKey}`,
    RUNYARD_GIT_ALLOW: ports.join(','),
    ANTHROPIC_API_KEY: own.api,
    ANTHROPIC_BASE_URL: model.url,
    GITHUB_TOKEN: own.github,
    GITHUB_API_URL: github.url,
  });
  const stderr: string[] = [];
  served.child.stderr?.on('data', (chunk: Buffer) => stderr.push(String(chunk)));
  Object.assign(state, { served, model, repositories, github, elsewhere, ssh, stderr });
});
afterAll(async () => {
  const { served, model, repositories, github, elsewhere, ssh } = state;
  if (served !== undefined) {
    const gone = served.child.exitCode ?? once(served.child, 'exit');
    served.child.kill('SIGTERM');
    await gone;
  }
  await Promise.all([model?.close(), github?.close(), elsewhere?.close(), ssh?.close()]);
  repositories?.remove();
  remove();
});

function createIssue({ url = '' }: IncomingMessage, response: ServerResponse): boolean {
  if (!url.startsWith('/repos/')) return false;
  const issue = { number: 7, html_url: 'https://github.com/a/b/issues/7' };
  response.writeHead(201, { 'content-type': 'application/json' }).end(JSON.stringify(issue));
  return true;
}

const call = (tool: string, input: Record<string, unknown>) => scene().served.call(apiKey, tool, input);

/** Ends at its setup, before claude is needed. */
const onRepository = (url: string, credentials?: object) =>
  call('run_claude_task', { prompt: 'x', repo: { url }, setup_commands: ['cat a.txt; exit 7'], credentials });

/** What the model was last asked with. */
function lastAsked() {
  const { 'x-api-key': key, authorization } = scene().model.requests.findLast(
    ({ method }) => method === 'POST',
  )!.headers;
  return { key, authorization };
}

describe.skipIf(lacking !== undefined)(
  `a credential for the model${lacking === undefined ? '' : ` (skipped: needs ${lacking})`}`,
  () => {
    const run = (credentials?: object) => call('run_claude_task', { prompt: 'x', wait_seconds: 60, credentials });

    test('goes before that of the server, for that call alone', async () => {
      expect(await run({ anthropic_api_key: brought.api })).toMatchObject({ status: 'succeeded' });
      expect(lastAsked()).toEqual({ key: brought.api, authorization: undefined });
      expect(await run({ anthropic_oauth_token: brought.oauth })).toMatchObject({ status: 'succeeded' });
      expect(lastAsked()).toEqual({ key: undefined, authorization: `Bearer ${brought.oauth}` });
      expect(await run()).toMatchObject({ status: 'succeeded' });
      expect(lastAsked()).toEqual({ key: own.api, authorization: undefined });
    });

    test('comes as a header over MCP', async () => {
      const headers = { Authorization: `Bearer ${apiKey}`, 'X-Runyard-Anthropic-Key': brought.api };
      const client = new Client({ name: 'runyard-test', version: '1' }, { versionNegotiation: { mode: 'auto' } });
      onTestFinished(() => client.close());
      await client.connect(
        new StreamableHTTPClientTransport(new URL('/mcp', scene().served.url), { requestInit: { headers } }),
      );
      const answer = await client.callTool(
        { name: 'run_claude_task', arguments: { prompt: 'x' } },
        { timeout: 60_000 },
      );
      expect(answer).toMatchObject({ structuredContent: { status: 'succeeded' } });
      expect(JSON.stringify(answer)).not.toContain(brought.api);
      expect(lastAsked()).toEqual({ key: brought.api, authorization: undefined });
    });

    test('is no part of the request that an idempotency key stands for', async () => {
      const again = (credentials?: object) =>
        call('run_claude_task', { prompt: 'x', idempotency_key: 'the same', wait_seconds: 60, credentials });
      const first = await again({ anthropic_api_key: brought.api });
      expect(await again({ anthropic_oauth_token: brought.oauth })).toMatchObject({ task_id: first.task_id });
      expect(await again()).toMatchObject({ task_id: first.task_id });
    });
  },
);

describe('a GitHub token', () => {
  const issue = { repo: 'a/b', title: 't', body: 'b' };
  const seen = () => scene().github.requests.findLast(({ url }) => url.startsWith('/repos/'))?.authorization;

  test('goes before that of the server for an issue, for that call alone', async () => {
    const made = { success: true, issue_number: 7 };
    expect(
      await call('github_create_issue', { ...issue, credentials: { github_token: brought.github } }),
    ).toMatchObject(made);
    expect(seen()).toContain(brought.github);
    expect(await call('github_create_issue', issue)).toMatchObject(made);
    expect(seen()).toContain(own.github);
  });

  test('opens a repository of that GitHub that has no secret of its own', async () => {
    const { github } = scene();
    const output = await onRepository(`${github.url}/real`, { github_token: brought.github });
    expect(output).toMatchObject({ error: { code: 'command_failed' }, status: 'failed' });
    const logs = await call('get_task_logs', { task_id: output.task_id });
    expect(JSON.stringify(logs)).toContain('from the repository');
    expect(await onRepository(`${github.url}/real`)).toMatchObject({ error: { code: 'git_error' } });
  });

  test('T6: is sent to no other host, whatever repository is named', async () => {
    const { elsewhere } = scene();
    const output = await onRepository(`${elsewhere.url}/real`, { github_token: brought.github });
    expect(output).toMatchObject({ error: { code: 'git_error' } });
    expect(elsewhere.requests.length).toBeGreaterThan(0);
    expect(elsewhere.requests.filter(({ authorization }) => authorization !== undefined)).toEqual([]);
  });

  test('the token of the server opens no repository for a caller', async () => {
    const before = scene().github.requests.length;
    await onRepository(`${scene().github.url}/real`);
    const sent = scene()
      .github.requests.slice(before)
      .map(({ authorization }) => authorization);
    expect(sent.length).toBeGreaterThan(0);
    expect(sent.filter((each) => each !== undefined)).toEqual([]);
  });
});

test.skipIf(lackingSshd !== undefined)(
  `an ssh key opens a repository over ssh that has no secret of its own${lackingSshd === undefined ? '' : ` (skipped: needs ${lackingSshd})`}`,
  async () => {
    const { ssh, repositories } = scene();
    const url = `ssh://${ssh!.user}@127.0.0.1:${ssh!.port}${repositories.dir}/real`;
    const output = await onRepository(url, { ssh_key: ssh!.key });
    expect(output).toMatchObject({ error: { code: 'command_failed' } });
    await expect(onRepository(url, { github_token: brought.github })).rejects.toThrow(/ssh needs a private key/);
  },
);

test('and none of them lies in a file, a log line or an answer', async () => {
  const { served, ssh, stderr } = scene();
  const tasks = await call('list_tasks', { limit: 100 });
  const list = tasks.tasks as { task_id: string }[];
  expect(list.length).toBeGreaterThan(3);
  const logs = await Promise.all(list.map(({ task_id }) => call('get_task_logs', { task_id, limit: 1000 })));
  const keyLine = ssh?.key.split('\n')[2];
  const told = JSON.stringify([tasks, logs]) + stderr.join('');
  for (const secret of [...Object.values(brought), ...(keyLine === undefined ? [] : [keyLine])]) {
    expect(told).not.toContain(secret);
    await expect.poll(() => filesHolding(home, secret), { timeout: 5000 }).toEqual([]);
  }
  expect(served.child.exitCode).toBeNull();
});

test('a server without a credential of its own runs Claude with what is brought, and says so without', async () => {
  const bare = createHome();
  const { model } = scene();
  const served = await serveHttp(bare.home, { RUNYARD_API_KEYS: `ci:${apiKey}`, ANTHROPIC_BASE_URL: model.url });
  onTestFinished(async () => {
    served.child.kill('SIGTERM');
    await once(served.child, 'exit');
    bare.remove();
  });
  const run = (credentials?: object) =>
    served.call(apiKey, 'run_claude_task', { prompt: 'x', setup_commands: ['exit 7'], credentials });
  expect(await run({ anthropic_api_key: brought.api })).toMatchObject({ error: { code: 'command_failed' } });
  await expect(run()).rejects.toThrow(/secret_unavailable/);
});

test('C4: on Cloud Run they are sealed in the bucket, and travel in no request', async () => {
  const bench = createHome();
  const google = await startGoogle({ storage: 'ours' });
  const env = { ...google.env, RUNYARD_API_KEYS: `ci:${apiKey}`, ANTHROPIC_BASE_URL: scene().model.url };
  const served = await serveHttp(bench.home, env);
  onTestFinished(async () => {
    served.child.kill('SIGTERM');
    await once(served.child, 'exit');
    await google.close();
    bench.remove();
  });
  google.run.plan({ startDelayMs: 500 });
  const started = await served.call(apiKey, 'run_claude_task', {
    prompt: 'x',
    setup_commands: ['exit 7'],
    wait_seconds: 0,
    credentials: { anthropic_api_key: brought.api, github_token: brought.github },
  });
  const objects = google.storageServer!.objects(google.place.bucket);
  const held = [...objects.values()].map(({ bytes }) => Buffer.from(bytes));
  expect([...objects.keys()]).toContain(`sealed/${started.task_id}`);
  const logs = await served.call(apiKey, 'get_task_logs', { task_id: started.task_id, wait_seconds: 60 });
  expect(logs).toMatchObject({ result: { error: { code: 'command_failed' } } });
  held.push(...[...objects.values()].map(({ bytes }) => Buffer.from(bytes)));
  const told = [...google.run.requests.map(({ body }) => body), JSON.stringify(logs)];
  for (const secret of [brought.api, brought.github]) {
    expect(held.filter((bytes) => bytes.includes(secret))).toEqual([]);
    expect(told.filter((text) => text.includes(secret))).toEqual([]);
  }
});
