import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type GitServer, openRepositories, startGitServer } from '../fakes/git-server.ts';
import { type Google, startGoogle } from '../fakes/google/yard.ts';
import { type ModelServer, say, startModelServer, useBash } from '../fakes/model-server.ts';
import { lacking } from './claude-runs.ts';
import { createHome, type Served, serve } from './served.ts';

/** Repositories from the tool's fields to the remote, wherever the runs take place. */

const [key, token] = ['sk-ant-of-the-server', 'ghp_of-the-operator'];

describe.skipIf(lacking !== undefined).each(['local', 'cloud-run'] as const)(
  `repositories on %s${lacking === undefined ? '' : ` (skipped: needs ${lacking})`}`,
  { timeout: 120_000 },
  (backend) => {
    const { home, remove } = createHome();
    const roots = mkdtempSync(join(tmpdir(), 'runyard-roots-'));
    const repositories = openRepositories();
    const script = { act: '' };
    /** A push to this repository is never answered. */
    const silent = { name: '', asked: Promise.withResolvers<void>() };
    const state: { google?: Google; git?: GitServer; model?: ModelServer; served?: Served } = {};

    beforeAll(async () => {
      mkdirSync(join(roots, 'data'));
      writeFileSync(join(roots, 'data/in.txt'), 'of the caller\n');
      state.git = await startGitServer(repositories.dir, {
        password: token,
        instead: ({ method, url = '' }) => {
          const isSilent =
            method === 'POST' && silent.name !== '' && url.startsWith(`/${silent.name}/git-receive-pack`);
          if (isSilent) silent.asked.resolve();
          return isSilent;
        },
      });
      state.model = await startModelServer(({ turn }) => (turn === 0 ? useBash(script.act) : say('done')), { key });
      if (backend === 'cloud-run') state.google = await startGoogle({ storage: 'ours' });
      state.served = await serve(home, {
        ...state.google?.env,
        ...{ ANTHROPIC_API_KEY: key, ANTHROPIC_BASE_URL: state.model.url, GIT_TOKEN: token },
        RUNYARD_SECRETS: `env:GIT_TOKEN git@127.0.0.1:${state.git.port}`,
        RUNYARD_GIT_ALLOW: `127.0.0.1:${state.git.port}`,
        RUNYARD_INPUT_ROOTS: roots,
      });
    });
    afterAll(async () => {
      await state.served?.close();
      await state.google?.close();
      await state.model?.close();
      await state.git?.close();
      repositories.remove();
      rmSync(roots, { recursive: true, force: true });
      remove();
    });

    const asked = (name: string, commit: object, more: object = {}) => ({
      prompt: 'x',
      repo: { url: `${state.git!.url}/${name}`, secret: 'env:GIT_TOKEN', commit: { message: 'Mend it', ...commit } },
      wait_seconds: 60,
      timeout_seconds: 60,
      ...more,
    });

    test('row 14, 15, 16: inputs lie beside the repository and are no part of the commit', async () => {
      const remote = repositories.create('beside', { a: '1\n', 'input/own/b.txt': 'b\n' });
      script.act =
        'cat input/data/in.txt >> a; echo x > input/data/new; echo more >> input/own/b.txt; git status --short';
      const inputs = [{ name: 'data', from: join(roots, 'data') }];
      const answer = await state.served!.call('run_claude_task', asked('beside', {}, { inputs }));
      expect(answer).toMatchObject({
        status: 'succeeded',
        git: { pushed: true, diff_stat: { files: 2, insertions: 2 } },
      });
      expect(remote.git('rev-parse', 'main')).toBe((answer.git as { sha: string }).sha);
      expect(remote.git('show', 'main:a')).toBe('1\nof the caller');
      expect(remote.git('ls-tree', '-r', '--name-only', 'main').split('\n')).toEqual(['a', 'input/own/b.txt']);
    });

    test('an input is not laid over what the repository has under its name', async () => {
      const remote = repositories.create('taken', { 'input/data/in.txt': 'of the repository\n' });
      const before = state.model!.requests.length;
      const inputs = [{ name: 'data', from: join(roots, 'data') }];
      expect(await state.served!.call('run_claude_task', asked('taken', {}, { inputs }))).toMatchObject({
        status: 'failed',
        error: { code: 'invalid_request', message: expect.stringContaining('input/data is there already') },
      });
      expect(state.model!.requests.length).toBe(before);
      expect(remote.git('rev-list', '--count', 'main')).toBe('1');
    });

    test('row 21: several runs push to a branch each, or to none; to one they are refused', async () => {
      const remote = repositories.create('many', { a: '1\n' });
      script.act = 'echo "run $RUNYARD_RUN" >> a';
      for (const commit of [{}, { branch: 'fix' }]) {
        const refusal = await state.served!.refusal('run_claude_task', asked('many', commit, { runs: 2 }));
        expect(refusal).toMatch(
          /^invalid_request: repo\.commit\.branch: 2 runs would push to one branch\.\s+.*fix-\{run\}/,
        );
      }
      const pushed = await state.served!.call('run_claude_task', asked('many', { branch: 'fix-{run}' }, { runs: 2 }));
      expect(pushed).toMatchObject({ status: 'succeeded' });
      expect(remote.git('show', 'fix-0:a')).toBe('1\nrun 0');
      expect(remote.git('show', 'fix-1:a')).toBe('1\nrun 1');
      const kept = await state.served!.call('run_claude_task', asked('many', { push: false }, { runs: 2 }));
      expect(kept).toMatchObject({ status: 'succeeded' });
      const one = await state.served!.call('get_task_logs', { task_id: kept.task_id, run: 1 });
      expect(one).toMatchObject({
        result: {
          git: { branch: 'main', pushed: false },
          artifacts: [
            expect.objectContaining({ path: 'commit.patch', text: expect.stringContaining('+run 1') }),
            expect.objectContaining({ path: 'transcript.jsonl' }),
          ],
        },
      });
      expect(remote.git('for-each-ref', '--format=%(refname:short)')).toBe('fix-0\nfix-1\nmain');
    });

    test('row 9: a cancel during the push leaves the remote as it was, and is over at once', async () => {
      const remote = repositories.create('held', { a: '1\n' });
      const before = remote.git('rev-parse', 'main');
      silent.name = 'held';
      script.act = 'echo 2 >> a';
      const { task_id } = await state.served!.call('run_claude_task', asked('held', {}, { wait_seconds: 0 }));
      await silent.asked.promise;
      const at = performance.now();
      expect(await state.served!.call('cancel_task', { task_id })).toMatchObject({ status: 'cancelled' });
      expect(performance.now() - at).toBeLessThan(5000);
      expect(remote.git('rev-parse', 'main')).toBe(before);
      expect(await state.served!.call('get_task_logs', { task_id })).toMatchObject({
        result: {
          ...{ response: 'done', git: { branch: 'main', pushed: false } },
          error: { code: 'cancelled', message: expect.stringContaining('whether main of') },
          artifacts: [
            expect.objectContaining({ path: 'commit.patch' }),
            expect.objectContaining({ path: 'transcript.jsonl' }),
          ],
        },
      });
    });

    test('a submodule is there, and what was changed in it is not pushed in half', async () => {
      const inner = repositories.create('inner', { 'i.txt': 'of the submodule\n' });
      const links = { m: inner.git('rev-parse', 'main') };
      const gitmodules = '[submodule "m"]\n\tpath = m\n\turl = ../inner\n';
      const outer = repositories.create('outer', { a: '1\n' });
      const before = outer.commit({ '.gitmodules': gitmodules }, { links });
      script.act = 'cat m/i.txt >> a; git status --short; echo 2 >> m/i.txt';
      expect(await state.served!.call('run_claude_task', asked('outer', {}))).toMatchObject({
        status: 'failed',
        error: { code: 'git_error', message: expect.stringMatching(/^m is a repository of its own, /) },
        artifacts: [
          expect.objectContaining({ path: 'commit.patch', text: expect.stringContaining('+of the submodule') }),
          expect.objectContaining({ path: 'transcript.jsonl' }),
        ],
      });
      expect(outer.git('rev-parse', 'main')).toBe(before);
    });
  },
);
