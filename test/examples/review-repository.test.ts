import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { lacking } from '../e2e/claude-runs.ts';
import { type GitServer, openRepositories, startGitServer } from '../fakes/git-server.ts';
import {
  type ModelServer,
  type Script,
  startModelServer,
  toolResults,
  useBash,
  useTool,
} from '../fakes/model-server.ts';
import { environment, makeHome, program, removeHome } from '../protocol/server.ts';
import { example, runExample } from './run-example.ts';

const token = 'ghp_the-token-of-the-team';

/** Knows one fault only, and writes down where it is. */
const reviewer: Script = ({ body, turn }) => {
  if (turn === 0) return useBash('{ echo "# Review"; grep -rn "eval(" --include=*.py .; } | tee REVIEW.md');
  const [, file, line] = /(\w+\.py):(\d+):/.exec(toolResults(body).join()) ?? [];
  const finding = { severity: 'high', file, line: Number(line), title: 'eval | of input', advice: 'Parse it' };
  return useTool('StructuredOutput', { summary: 'Read.', findings: file === undefined ? [] : [finding] });
};

const title = lacking === undefined ? 'the review' : `(skipped: needs ${lacking})`;

describe.skipIf(lacking !== undefined)(title, { timeout: 150_000 }, () => {
  const home = makeHome();
  const dir = mkdtempSync(join(tmpdir(), 'runyard-reviews-'));
  const repositories = openRepositories();
  let git: GitServer;
  let model: ModelServer;

  beforeAll(async () => {
    repositories.create('acme/shop', { 'shop.py': 'import sys\nprint(eval(sys.argv[1]))\n' });
    repositories.create('acme/billing', { 'billing.py': 'print(1)\n' });
    git = await startGitServer(repositories.dir, { password: token });
    model = await startModelServer(reviewer, { key: 'sk-test' });
  });
  afterAll(async () => {
    await git.close();
    await model.close();
    repositories.remove();
    removeHome(home);
    rmSync(dir, { recursive: true, force: true });
  });

  const run = (file: string) =>
    runExample(
      [...program.args, 'run', file, '--out', join(dir, 'reviews')],
      environment(home, {
        ...{ HOME: home, ANTHROPIC_API_KEY: 'sk-test', ANTHROPIC_BASE_URL: model.url, GIT_TOKEN: token },
        RUNYARD_SECRETS: `env:GIT_TOKEN git@127.0.0.1:${git.port}`,
        RUNYARD_GIT_ALLOW: `127.0.0.1:${git.port}`,
      }),
    );
  const findings = () => runExample([example('review-repository/findings.ts'), join(dir, 'reviews')]);
  const asked = () => model.requests.filter(({ url }) => url.startsWith('/v1/messages')).length;

  test('of tasks.yaml as it stands, with the git host of this test: findings, a text for people, one table', async () => {
    const text = readFileSync(example('review-repository/tasks.yaml'), 'utf8');
    const file = join(dir, 'tasks.yaml');
    writeFileSync(file, text.replaceAll('https://github.com', git.url));
    const { exitCode, stdout, stderr } = await run(file);
    expect({ exitCode, stdout }, stderr).toEqual({
      exitCode: 0,
      stdout: expect.stringMatching(/✔ acme-shop {2}succeeded/),
    });
    const result = JSON.parse(readFileSync(join(dir, 'reviews/acme-shop/result.json'), 'utf8'));
    expect(result).toMatchObject({
      success: true,
      structured_output: { summary: 'Read.', findings: [{ severity: 'high', file: 'shop.py', line: 2 }] },
      cost_usd: expect.any(Number),
    });
    expect(readFileSync(join(dir, 'reviews/acme-shop/REVIEW.md'), 'utf8')).toContain('shop.py:2:');
    expect((await findings()).stdout).toBe(
      [
        '| severity | repository | where | what | advice |',
        '| --- | --- | --- | --- | --- |',
        '| high | acme-shop | shop.py:2 | eval \\| of input | Parse it |',
        '',
      ].join('\n'),
    );
    expect(JSON.stringify(model.requests)).not.toContain(token);
  });

  test('of a list: each line is a task like the first one, started again nothing is reviewed twice', async () => {
    const list = join(dir, 'repositories.txt');
    writeFileSync(list, `# ours\n${git.url}/acme/shop.git\n\n${git.url}/acme/none # gone\n`);
    const { stdout } = await runExample([example('review-repository/tasks-of.ts'), list]);
    const { tasks } = parse(stdout);
    expect(tasks).toEqual([
      { id: 'acme-shop', repo: { url: `${git.url}/acme/shop.git`, secret: 'env:GIT_TOKEN' } },
      { id: 'acme-none', repo: { url: `${git.url}/acme/none`, secret: 'env:GIT_TOKEN' } },
    ]);
    const file = join(dir, 'all.yaml');
    writeFileSync(file, stdout.replace('shop.git', 'shop'));
    const first = await run(file);
    expect(first.exitCode).toBe(1);
    expect(first.stdout).toMatch(/✘ acme-none {2}failed .*git_error/);
    expect((await findings()).stdout).toMatch(/\nacme-none was not reviewed: /);
    const before = asked();
    expect((await run(file)).exitCode).toBe(1);
    expect(asked()).toBe(before);
  });
});
