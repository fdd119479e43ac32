import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { lacking } from '../e2e/claude-runs.ts';
import { type GitServer, openRepositories, startGitServer } from '../fakes/git-server.ts';
import { type ModelServer, say, startModelServer, useBash } from '../fakes/model-server.ts';
import { startServer, type TestServer } from '../protocol/server.ts';
import { example, runExample } from './run-example.ts';

const token = 'ghp_the-token-of-the-team';
const title = lacking === undefined ? 'a failing test' : `(skipped: needs ${lacking})`;

const broken = {
  '.gitignore': '__pycache__/\n',
  'price.py': 'def total(price, count):\n    return price + count\n',
  'test_price.py':
    'import unittest\nfrom price import total\n\n\nclass Price(unittest.TestCase):\n    def test_total(self):\n        self.assertEqual(total(3, 4), 12)\n',
};

describe.skipIf(lacking !== undefined)(title, { timeout: 120_000 }, () => {
  const repositories = openRepositories();
  const script = { act: '' };
  let git: GitServer;
  let model: ModelServer;
  let server: TestServer;

  beforeAll(async () => {
    git = await startGitServer(repositories.dir, { password: token });
    model = await startModelServer(
      ({ turn }) => (turn === 0 ? useBash(script.act) : say('It added instead of multiplying.')),
      { key: 'sk-test' },
    );
    server = await startServer({
      env: {
        ...{ ANTHROPIC_API_KEY: 'sk-test', ANTHROPIC_BASE_URL: model.url, GIT_TOKEN: token },
        RUNYARD_SECRETS: `env:GIT_TOKEN git@127.0.0.1:${git.port}`,
        RUNYARD_GIT_ALLOW: `127.0.0.1:${git.port}`,
      },
    });
  });
  afterAll(async () => {
    await server.stop();
    await model.close();
    await git.close();
    repositories.remove();
  });

  const asked = () => model.requests.filter(({ url }) => url.startsWith('/v1/messages')).length;

  /** Claude does this and says that it is done. */
  async function mend(name: string, act: string) {
    script.act = act;
    const before = asked();
    const end = await runExample(
      [example('fix-and-push/main.ts'), `${git.url}/${name}`, 'fix/tests', '/usr/bin/python3 -B -m unittest'],
      { YARD_URL: server.url, YARD_TOKEN: server.token(), GIT_SECRET: 'env:GIT_TOKEN' },
    );
    return { ...end, asked: asked() - before };
  }

  test('is mended, proved, and pushed as a branch; main stays as it was', async () => {
    const remote = repositories.create('shop', broken);
    const { exitCode, stdout, stderr } = await mend('shop', 'sed -i "s/price + count/price * count/" price.py');
    const sha = remote.git('rev-parse', 'fix/tests');
    expect({ exitCode, stdout }, stderr).toEqual({
      exitCode: 0,
      stdout: `It added instead of multiplying.\nfix/tests is ${sha}: 1 files, +1 -1\n`,
    });
    expect(stderr).toMatch(/stderr: Ran 1 test/);
    expect(remote.git('show', 'fix/tests:price.py')).toContain('price * count');
    expect(remote.git('log', '--format=%s', 'main..fix/tests')).toBe(
      'Mend what made `/usr/bin/python3 -B -m unittest` fail',
    );
    expect(remote.git('show', 'main:price.py')).toContain('price + count');
  });

  test('that still fails is not pushed, whatever Claude says', async () => {
    const remote = repositories.create('stubborn', broken);
    const { exitCode, stderr } = await mend('stubborn', 'echo "# mended" >> price.py');
    expect(exitCode).toBe(1);
    expect(stderr).toContain('command_failed: `/usr/bin/python3 -B -m unittest` ended with exit 1');
    expect(remote.git('for-each-ref', '--format=%(refname)')).toBe('refs/heads/main');
  });

  test('that passes already costs nothing', async () => {
    const fine = { ...broken, 'price.py': broken['price.py'].replace('+', '*') };
    const remote = repositories.create('fine', fine);
    const { exitCode, stderr, asked } = await mend('fine', 'true');
    expect({ exitCode, asked }).toEqual({ exitCode: 1, asked: 0 });
    expect(stderr).toContain('stdout: It passes: there is nothing to mend.');
    expect(remote.git('for-each-ref', '--format=%(refname)')).toBe('refs/heads/main');
  });

  test('a branch that is somebody else’s is left alone', async () => {
    const remote = repositories.create('taken', broken);
    const theirs = remote.commit({ 'other.txt': 'of somebody else\n' }, { branch: 'fix/tests' });
    const { exitCode, stderr } = await mend('taken', 'sed -i "s/price + count/price * count/" price.py');
    expect(exitCode).toBe(1);
    expect(stderr).toContain('git_error: ');
    expect(remote.git('rev-parse', 'fix/tests')).toBe(theirs);
  });
});
