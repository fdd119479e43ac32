import { describe, expect, test } from 'vitest';
import { say, useBash } from '../fakes/model-server.ts';
import { lacking, useClaude } from './claude-runs.ts';
import { commit, pathsOf, useRepositories } from './git-runs.ts';

const robot = '[user]\n\tname = Robot Šárka of \\"the\\" team\n\temail = robot@example.org\n';
const robotInWords = 'Robot Šárka of "the" team <robot@example.org>';

describe.skipIf(lacking !== undefined)(
  lacking === undefined ? 'whose commits are made' : `(skipped: needs ${lacking})`,
  () => {
    const run = useClaude();
    const { create, serve } = useRepositories();
    const people = (remote: ReturnType<typeof create>) =>
      remote.git('log', '-1', '--format=%an <%ae>|%cn <%ce>', 'main').split('|');

    test('row 15: those that .gitconfig of the cloned commit names, whatever Claude makes of it', async () => {
      const remote = create('named', { a: '1\n', '.gitconfig': robot });
      const { spec } = await serve('named', { commit });
      const change = [
        'echo 2 >> a; printf "[user]\\n\\tname = Claude\\n\\temail = c@x\\n" > .gitconfig; cp .gitconfig ~/',
        'git config user.name Claude; git config user.email c@x',
      ].join('\n');
      const { result } = await run([useBash(change), say('done')], { repo: spec });
      expect(result).toMatchObject({ status: 'succeeded', git: { pushed: true, diffStat: { files: 2 } } });
      expect(people(remote)).toEqual(Array(2).fill(robotInWords));
      expect(remote.git('fsck', '--strict')).toBe('');
    });

    test('row 15: whoever rebases a commit is the same', async () => {
      const remote = create('rebased', { a: '1\n', '.gitconfig': robot });
      const { spec } = await serve('rebased', { commit: { ...commit, onConflict: 'rebase' } });
      const answer = ({ turn }: { readonly turn: number }) => {
        if (turn === 0) return useBash('echo 2 >> a');
        remote.commit({ b: 'theirs\n', '.gitconfig': robot.replaceAll('obot', 'ival') });
        return say('done');
      };
      const { result } = await run(answer, { repo: spec });
      expect(result).toMatchObject({ status: 'succeeded', git: { pushed: true } });
      expect(remote.git('show', 'main:b')).toBe('theirs');
      expect(people(remote)).toEqual(Array(2).fill(robotInWords));
    });

    test('G1 G2: of a .gitconfig that means harm nothing takes effect but the two values', async () => {
      const touch = (name: string) => `touch /workspace/output/${name}`;
      const hostile = [
        robot,
        `[core]\n\tfsmonitor = ${touch('fsmonitor')}\n\thooksPath = .\n\tsshCommand = ${touch('ssh')}\n\tpager = ${touch('pager')}`,
        '[include]\n\tpath = other.gitconfig\n\tpath = /workspace/other.gitconfig',
        '[includeIf "gitdir:/"]\n\tpath = other.gitconfig',
        `[alias]\n\tcommit = !${touch('alias')}\n\tconfig = !${touch('alias')}\n\tcat-file = !${touch('alias')}`,
        `[commit]\n\tgpgSign = true\n[gpg]\n\tprogram = ${touch('gpg')}`,
        `[filter "x"]\n\tclean = ${touch('clean')}\n\tsmudge = ${touch('smudge')}\n\trequired = true`,
        '[url "http://127.0.0.1:1/"]\n\tinsteadOf = http\n\tpushInsteadOf = http',
        `[credential]\n\thelper = !${touch('helper')}`,
      ].join('\n');
      const remote = create('hostile', {
        '.gitconfig': `${hostile}\n`,
        'other.gitconfig': '[user]\n\tname = Included\n\temail = included@example.org\n',
        '.gitattributes': '*.txt filter=x\n',
        'a.txt': '1\n',
        'pre-commit': `#!/bin/sh\n${touch('hook')}\n`,
      });
      const { spec } = await serve('hostile', { commit });
      const { result } = await run([useBash('echo 2 >> a.txt; mkdir -p output'), say('done')], { repo: spec });
      expect(result).toMatchObject({ status: 'succeeded', git: { pushed: true, diffStat: { files: 1 } } });
      expect(people(remote)).toEqual(Array(2).fill(robotInWords));
      expect(pathsOf(result)).toEqual([]);
    });

    test('G1: one that names somebody with a line break is nobody', async () => {
      const forged = '[user]\n\tname = "Robot\\nauthor Other <o@example.org> 0 +0000"\n\temail = robot@example.org\n';
      const remote = create('forged', { a: '1\n', '.gitconfig': forged });
      const { spec } = await serve('forged', { commit });
      const { result } = await run([useBash('echo 2 >> a'), say('done')], { repo: spec });
      expect(result).toMatchObject({ status: 'succeeded', git: { pushed: true } });
      expect(people(remote)).toEqual(Array(2).fill('Claude Code <noreply@anthropic.com>'));
    });
  },
);
