import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { lacking } from '../e2e/claude-runs.ts';
import { createHome, filesHolding, type Served, serve } from '../e2e/served.ts';
import { type GitServer, openRepositories, type Repositories, startGitServer } from '../fakes/git-server.ts';
import { lackingSshd, type SshServer, startSshServer } from '../fakes/git-server-ssh.ts';
import { type ModelServer, say, startModelServer, useBash } from '../fakes/model-server.ts';
import { describeContainer } from '../sandbox/container-bench.ts';

const key = 'sk-ant-the-key-of-these-tests';
const token = 'ghp_the-token-of-the-operator';

/** What a caller brings, in containers: git, its hosts and the archives of inputs meet the programs of the image. */
describeContainer('tools on containers', ({ image }) => {
  const held: { served?: Served; repositories?: Repositories; git?: GitServer; ssh?: SshServer; model?: ModelServer } =
    {};
  const { home, remove } = createHome();
  const roots = mkdtempSync(join(tmpdir(), 'runyard-roots-'));
  const script = { act: '' };

  beforeAll(async () => {
    held.repositories = openRepositories();
    held.git = await startGitServer(held.repositories.dir, { password: token });
    if (lackingSshd === undefined) held.ssh = await startSshServer();
    held.model = await startModelServer(({ turn }) => (turn === 0 ? useBash(script.act) : say('All done.')), { key });
    writeFileSync(join(home, 'known_hosts'), `${held.ssh?.knownHost ?? ''}\n`);
    const places = [held.git.port, held.ssh?.port].flatMap((port) => (port === undefined ? [] : [`127.0.0.1:${port}`]));
    held.served = await serve(home, {
      // An engine without root has its images in the home of its user.
      ...{ RUNYARD_SANDBOX: 'container', RUNYARD_IMAGE: image(), HOME: homedir(), RUNYARD_INPUT_ROOTS: roots },
      ...{ ANTHROPIC_API_KEY: key, ANTHROPIC_BASE_URL: held.model.url, TOKEN: token, KEY: held.ssh?.key ?? '' },
      RUNYARD_GIT_ALLOW: places.join(','),
      RUNYARD_SECRETS: places.map((place, index) => `env:${['TOKEN', 'KEY'][index]} git@${place}`).join(','),
    });
  }, 120_000);
  afterAll(async () => {
    await held.served?.close();
    await held.model?.close();
    await held.git?.close();
    await held.ssh?.close();
    held.repositories?.remove();
    rmSync(roots, { recursive: true, force: true });
    remove();
  });

  /** Claude does this, in a task with these fields. */
  async function work(act: string, fields: Record<string, unknown>) {
    script.act = act;
    return held.served!.call('run_claude_task', {
      ...{ prompt: 'Mend it.', wait_seconds: 110, timeout_seconds: 110 },
      ...fields,
    });
  }

  const change = (repo: Record<string, unknown>, fields: Record<string, unknown> = {}) =>
    work('git log --oneline | wc -l; cat a; echo 2 >> a; git status --short', {
      repo: { ...repo, commit: { message: 'Mend it' } },
      ...fields,
    });

  const seen = () => held.model!.requests.at(-1)?.body ?? '';

  test.skipIf(lacking !== undefined)(
    'row 14, 15: a repository is cloned over http, changed and pushed; the token is nowhere (needs the claude package)',
    { timeout: 150_000 },
    async () => {
      const remote = held.repositories!.create('far', { a: '1\n', big: randomBytes(3_000_000).toString('hex') });
      const result = await change({ url: `${held.git!.url}/far`, secret: 'env:TOKEN' });
      expect(result).toMatchObject({ status: 'succeeded', git: { pushed: true, diff_stat: { insertions: 1 } } });
      expect(seen()).toContain('1\\n1\\n M a');
      expect(remote.git('show', 'main:a')).toBe('1\n2');
      expect(JSON.stringify([result, held.model!.requests])).not.toContain(token);
      expect(filesHolding(home, token)).toEqual([]);
    },
  );

  test.skipIf(lacking !== undefined || lackingSshd !== undefined)(
    'row 14, 15: and over ssh, in containers of another size (needs the claude package and sshd)',
    { timeout: 150_000 },
    async () => {
      const remote = held.repositories!.create('keyed', { a: '1\n' });
      const { user, port } = held.ssh!;
      const url = `ssh://${user}@127.0.0.1:${port}${remote.bare}`;
      const result = await change({ url, secret: 'env:KEY' }, { size: 'medium' });
      expect(result).toMatchObject({ status: 'succeeded', git: { pushed: true, diff_stat: { insertions: 1 } } });
      expect(remote.git('show', 'main:a')).toBe('1\n2');
    },
  );

  test.skipIf(lacking !== undefined)('a repository that cannot be had says why', { timeout: 150_000 }, async () => {
    const before = held.model!.requests.length;
    const gone = await change({ url: `${held.git!.url}/no-such`, secret: 'env:TOKEN' });
    expect(gone).toMatchObject({
      status: 'failed',
      error: { code: 'git_error', message: expect.stringMatching(/^There is no repository http/) },
    });
    expect(held.model!.requests).toHaveLength(before);
  });

  test.skipIf(lacking !== undefined).for(['small', 'medium'])(
    'inputs lie below input/, in a container of size %s (needs the claude package)',
    { timeout: 150_000 },
    async (size) => {
      const folder = join(roots, size);
      mkdirSync(join(folder, 'sub'), { recursive: true });
      // Of the kind that does not compress: it comes in many parts.
      writeFileSync(join(folder, 'large'), randomBytes(40 * 1024 ** 2));
      writeFileSync(join(folder, 'sub/run.sh'), '#!/bin/sh\necho ran\n', { mode: 0o755 });
      const look = 'stat -c %s input/given/large; input/given/sub/run.sh; ls -A; cat input/one';
      writeFileSync(join(roots, 'one'), 'a file\n');
      const inputs = [
        { name: 'given', from: folder },
        { name: 'one', from: join(roots, 'one') },
      ];
      expect(await work(look, { size, inputs })).toMatchObject({ status: 'succeeded' });
      expect(seen()).toContain('41943040\\nran\\ninput\\noutput\\na file');
    },
  );
});
