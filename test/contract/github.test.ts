import { execFile } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { createIssueTracker } from '../../src/github/issue-tracker.ts';
import { created, type Scripted, startGithubServer, unusedPort } from '../fakes/github-server.ts';
import { create, errorOf, githubServers, issue, repo, token } from './github-calls.ts';

const github = githubServers();
const execFileAsync = promisify(execFile);

test('creates one issue with the token, the title, the body, the labels and the assignees', async () => {
  const server = await github(created(42, repo));
  const made = await create(server.url, { labels: ['bug', 'wet'], assignees: ['octocat'] });
  expect(made).toEqual({ number: 42, url: `https://github.com/${repo}/issues/42` });
  expect(server.seen).toHaveLength(1);
  const [request] = server.seen;
  expect(request).toMatchObject({ method: 'POST', path: `/repos/${repo}/issues` });
  expect(request?.headers.authorization).toBe(`token ${token}`);
  expect(request?.headers['user-agent']).toMatch(/^runyard /);
  expect(JSON.parse(request?.body ?? '')).toEqual({
    title: 'It leaks',
    body: 'Under the sink.',
    labels: ['bug', 'wet'],
    assignees: ['octocat'],
  });
});

test('a GitHub Enterprise address keeps its path, with or without a slash at its end', async () => {
  const server = await github(created(1, repo), created(2, repo));
  await create(`${server.url}/api/v3`);
  await create(`${server.url}/api/v3/`);
  expect(server.seen.map(({ path }) => path)).toEqual(Array(2).fill(`/api/v3/repos/${repo}/issues`));
});

test.each([
  '',
  'noslash',
  'a/b/c',
  '../../x',
  'a/..',
  'a/.',
  '-a/b',
  'a/b?c',
  'a/b c',
  'a /b',
  'a/b\n',
  '/b',
  'a/',
  'a%2Fb/c',
  'a/b#',
])('refuses the repository %j before anything is sent', async (bad) => {
  const server = await github();
  expect(await errorOf(create(server.url, { repo: bad }))).toMatchObject({ code: 'invalid_request', httpStatus: 400 });
  expect(server.seen).toEqual([]);
});

test('the list of the operator is kept, without regard to case', async () => {
  const server = await github(created(1, repo), created(2, repo));
  await create(server.url, {}, ['Octo-Org/Hello.World']);
  await create(server.url, {}, ['other/x', 'OCTO-ORG/*']);
  for (const list of [[], ['octo-org/hello'], ['octo/*'], ['*']]) {
    expect(await errorOf(create(server.url, {}, list))).toMatchObject({ code: 'forbidden' });
  }
  expect(server.seen).toHaveLength(2);
});

test.each([undefined, '', '  \n', 'two\nlines'])(
  'the token %j is no token: the error names the variable',
  async (bad) => {
    const server = await github();
    const call = createIssueTracker({ apiUrl: server.url, token: bad }).createIssue(
      issue,
      new AbortController().signal,
    );
    const error = await errorOf(call);
    expect(error.code).toBe('secret_unavailable');
    expect(error.message).toContain('GITHUB_TOKEN');
    expect(error.message).not.toContain('lines');
    expect(server.seen).toEqual([]);
  },
);

test('prior B4d: a line break at the end of the token, as files have it, is cut off', async () => {
  const server = await github(created(1, repo));
  await createIssueTracker({ apiUrl: server.url, token: `${token}\n` }).createIssue(
    issue,
    new AbortController().signal,
  );
  expect(server.seen[0]?.headers.authorization).toBe(`token ${token}`);
});

test('a rate limit that passes soon is waited for, and the issue is created once', async () => {
  const server = await github(
    { status: 403, headers: { 'retry-after': '1' }, json: { message: 'secondary rate limit' } },
    created(7, repo),
  );
  const startedAt = performance.now();
  expect(await create(server.url)).toMatchObject({ number: 7 });
  expect(performance.now() - startedAt).toBeGreaterThan(990);
  expect(server.seen).toHaveLength(2);
});

test('all waits together end at 5 s', async () => {
  const busy: Scripted = { status: 429, headers: { 'retry-after': '3' }, json: {} };
  const server = await github(busy, busy, busy);
  expect(await errorOf(create(server.url))).toMatchObject({ code: 'rate_limited', retryAfterSeconds: 3 });
  expect(server.seen).toHaveLength(2);
});

test('a refused connection is tried again until the server is there', async () => {
  const port = await unusedPort();
  const call = create(`http://127.0.0.1:${port}`);
  await delay(600);
  const server = await startGithubServer([created(9, repo)], port);
  expect(await call.finally(() => server.close())).toMatchObject({ number: 9 });
  expect(server.seen).toHaveLength(1);
});

test('a connection refused for good says that nothing was created, after some 5 s', async () => {
  const startedAt = performance.now();
  const error = await errorOf(create(`http://127.0.0.1:${await unusedPort()}`));
  expect(error.code).toBe('github_error');
  expect(error.message).toMatch(/ECONNREFUSED.*nothing was created/);
  // All waits together end at 5 s; the tries between them take what they take.
  expect(performance.now() - startedAt).toBeLessThan(10_000);
});

test('a connection lost after the request was sent is not tried again: the issue may be there', async () => {
  const server = await github('reset', created(1, repo));
  const error = await errorOf(create(server.url));
  expect(error.code).toBe('github_error');
  expect(error.message).toContain('may have been created');
  await delay(500);
  expect(server.seen).toHaveLength(1);
});

test('a caller who gives up learns whether something may have been done', async () => {
  const server = await github('silence');
  const caller = new AbortController();
  const call = errorOf(create(server.url, {}, undefined, caller.signal));
  await expect.poll(() => server.seen.length).toBe(1);
  caller.abort();
  expect(await call).toMatchObject({ code: 'cancelled', message: expect.stringContaining('may have been created') });
  const early = await errorOf(create(server.url, {}, undefined, AbortSignal.abort()));
  expect(early).toMatchObject({ code: 'cancelled', message: expect.stringContaining('nothing was created') });
  expect(server.seen).toHaveLength(1);
});

test('a caller who gives up while waiting for its turn is let go at once, and nothing is sent', async () => {
  const server = await github(created(1, repo), created(2, repo));
  const tracker = createIssueTracker({ apiUrl: server.url, token });
  await tracker.createIssue(issue, new AbortController().signal);
  const startedAt = performance.now();
  const error = await errorOf(tracker.createIssue(issue, AbortSignal.timeout(200)));
  expect(error.message).toContain('nothing was created');
  // Its turn would come after 3 s.
  expect(performance.now() - startedAt).toBeLessThan(2_500);
  await delay(3_500);
  expect(server.seen).toHaveLength(1);
});

test('octokit is loaded by the first call, not with the adapter', async () => {
  const adapter = new URL('../../src/github/issue-tracker.ts', import.meta.url).href;
  const program = `
    import { registerHooks } from 'node:module';
    const loaded = [];
    registerHooks({ load: (url, context, next) => { loaded.push(url); return next(url, context); } });
    const { createIssueTracker } = await import(${JSON.stringify(adapter)});
    const tracker = createIssueTracker({ apiUrl: 'http://127.0.0.1:1', token: 'placeholder' });
    const isLoaded = () => loaded.some((url) => url.includes('/@octokit/core/'));
    const before = isLoaded();
    await tracker.createIssue({ repo: 'a/b', title: '', body: '' }, AbortSignal.timeout(100)).catch(() => {});
    console.log(before, isLoaded());`;
  const { stdout } = await execFileAsync(process.execPath, ['--input-type=module', '-e', program]);
  expect(stdout).toBe('false true\n');
});
