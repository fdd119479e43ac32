import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { gitEnvironment, type TestRepository } from '../fakes/git-server.ts';
import { say, useBash } from '../fakes/model-server.ts';
import { type ClaudeRun, lacking, useClaude } from './claude-runs.ts';
import { commit, pathsOf, token, useRepositories } from './git-runs.ts';

/** A commit that was not pushed is not lost: it is an artifact that git applies. */

describe.skipIf(lacking !== undefined)(
  lacking === undefined ? 'a commit that was not pushed' : `(skipped: needs ${lacking})`,
  () => {
    const run = useClaude();
    const { create, serve } = useRepositories();

    /** A working copy of the remote, with the run's patch applied as one would. */
    async function applied(remote: TestRepository, done: ClaudeRun, ...command: string[]) {
      const dir = mkdtempSync(join(tmpdir(), 'runyard-apply-'));
      onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
      const patch = await done.artifact('commit.patch');
      if (patch === undefined) throw new Error('the run has kept no commit');
      const git = (...args: string[]) =>
        execFileSync('git', args, { cwd: dir, env: gitEnvironment, encoding: 'utf8' }).trim();
      git('clone', '-q', remote.bare, 'copy');
      writeFileSync(join(dir, 'commit.patch'), patch);
      git('-C', 'copy', ...command, '../commit.patch');
      return { git: (...args: string[]) => git('-C', 'copy', ...args), dir: join(dir, 'copy') };
    }

    const change = [
      "sed -i 's/one/uno/' crlf.txt; printf '\\0\\1\\2' > 'a b.bin'; rm gone; chmod +x tool",
      'git -c user.name=Agent -c user.email=agent@x commit -qam "the agent’s own"; echo two > ünïcode.txt',
    ].join('\n');
    const files = { 'crlf.txt': 'one\r\ntwo\r\n', gone: 'x\n', tool: '#!/bin/sh\n', 'a b.bin': '\0old' };

    test.each([
      ['git am', ['am', '-q', '--keep-cr']],
      ['git apply', ['apply', '--index']],
    ])('%s takes it, whatever it changes, where the branch has moved on', async (name, command) => {
      const remote = create(name.replace(' ', '-'), files);
      const { spec } = await serve(name.replace(' ', '-'), { commit });
      const done = await run(
        ({ turn }) => {
          if (turn > 0) return say('done');
          remote.commit({ other: 'of somebody else\n' });
          return useBash(change);
        },
        { repo: spec },
      );
      expect(done.result).toMatchObject({
        status: 'failed',
        error: {
          code: 'git_error',
          message: expect.stringMatching(/moved on .* The commit is kept as commit\.patch\.$/),
        },
        git: { pushed: false, diffStat: { files: 5 } },
        claude: { response: 'done' },
      });
      expect(pathsOf(done.result)).toEqual(['commit.patch']);
      const { git, dir } = await applied(remote, done, ...command);
      expect(readFileSync(join(dir, 'crlf.txt'), 'utf8')).toBe('uno\r\ntwo\r\n');
      expect([...readFileSync(join(dir, 'a b.bin'))]).toEqual([0, 1, 2]);
      expect(readFileSync(join(dir, 'ünïcode.txt'), 'utf8')).toBe('two\n');
      expect(statSync(join(dir, 'tool')).mode & 0o100).toBe(0o100);
      expect(git('ls-files', '--', 'gone', 'other')).toBe('other');
      if (name === 'git am') {
        expect(git('log', '-2', '--format=%an %s')).toBe('Claude Code Mend it\nAgent the agent’s own');
      }
    });

    test('a merge, and a history that the agent has made anew, become one commit', async () => {
      const remote = create('merged', { a: '1\n' });
      const { spec } = await serve('merged', { commit: { ...commit, push: false } });
      const as = '-c user.name=x -c user.email=x@x';
      for (const work of [
        `git checkout -qb side; echo s > s; git add s; git ${as} commit -qm side; git checkout -q main; echo m > m; git add m; git ${as} commit -qm main; git ${as} merge -q -m both side`,
        `echo m > m; echo s > s; git add -A; git ${as} commit -q --amend -m anew`,
      ]) {
        const done = await run([useBash(work), say('done')], { repo: spec });
        expect(done.result).toMatchObject({ status: 'succeeded', git: { pushed: false, diffStat: { files: 2 } } });
        const { git } = await applied(remote, done, 'am', '-q');
        expect(git('ls-files')).toBe('a\nm\ns');
        expect(git('rev-list', '--count', 'origin/main..main')).toBe('1');
      }
    });

    test('settings of the repository do not spoil it; a file of that name is no artifact of the run', async () => {
      const remote = create('settings', { a: '1\n2\n3\n4\n' });
      const { spec } = await serve('settings', { commit: { ...commit, push: false, files: ['a'] } });
      const settings = [
        'diff.noprefix true',
        'diff.context 0',
        'format.coverLetter true',
        'format.attach x',
        'color.ui always',
      ];
      const work = `${settings.map((each) => `git config ${each}`).join('; ')}; sed -i s/3/drei/ a; echo forged > commit.patch`;
      const done = await run([useBash(work), say('done')], { repo: spec, artifacts: ['*.patch'] });
      expect(done.result).toMatchObject({ status: 'succeeded', git: { pushed: false } });
      expect(pathsOf(done.result)).toEqual(['commit.patch']);
      const { dir } = await applied(remote, done, 'am', '-q');
      expect(readFileSync(join(dir, 'a'), 'utf8')).toBe('1\n2\ndrei\n4\n');
    });

    test('artifacts in plenty do not crowd it out', async () => {
      const many = Object.fromEntries(Array.from({ length: 1100 }, (_, at) => [`a/${at}`, 'x']));
      const remote = create('plenty', many);
      const { spec } = await serve('plenty', { commit });
      const { result } = await run([useBash('echo y > a/1'), say('done')], { repo: spec, artifacts: ['a/**'] });
      expect(result).toMatchObject({ status: 'succeeded', git: { pushed: true, diffStat: { files: 1 } } });
      expect(result.artifacts.length).toBeGreaterThan(900);
      expect(remote.git('show', 'main:a/1')).toBe('y');
    });

    test('a host that is gone by then takes nothing away', async () => {
      const remote = create('gone-host', { a: '1\n' });
      const { spec, server } = await serve('gone-host', { commit });
      const done = await run(
        async ({ turn }) => {
          if (turn > 0) return say('done');
          await server.close();
          return useBash('echo 2 >> a; mkdir -p output; echo o > output/o');
        },
        { repo: spec },
      );
      expect(done.result).toMatchObject({
        status: 'failed',
        error: { code: 'git_error', message: expect.stringMatching(/could not be reached.* kept as commit\.patch\.$/) },
        git: { pushed: false },
        claude: { response: 'done' },
      });
      expect(pathsOf(done.result)).toEqual(['commit.patch', 'output/o']);
      expect((await applied(remote, done, 'am', '-q')).git('show', 'HEAD:a')).toBe('1\n2');
    });

    test('a push that arrived is told as one though its answer was lost', async () => {
      const remote = create('lost-answer', { a: '1\n' });
      const { spec } = await serve('lost-answer', { commit }, { password: token, isLostAfterPush: true });
      const { result } = await run([useBash('echo 2 >> a'), say('done')], { repo: spec });
      expect(result).toMatchObject({ status: 'succeeded', git: { pushed: true } });
      expect(remote.git('rev-parse', 'main')).toBe(result.git?.sha);
      expect(pathsOf(result)).toEqual([]);
    });

    test('a ref that is no branch has nothing to push to, and that is said before anything has begun', async () => {
      const remote = create('tagged', { a: '1\n' });
      remote.git('tag', 'v1', 'main');
      const { spec } = await serve('tagged', { commit, ref: 'v1' });
      const { result, upstream } = await run([say('never')], { repo: spec });
      expect(result).toMatchObject({
        status: 'failed',
        error: { code: 'git_error', message: expect.stringMatching(/^v1 of .* is no branch.*repo\.commit\.branch/) },
      });
      expect(upstream.requests).toEqual([]);
    });
  },
);
