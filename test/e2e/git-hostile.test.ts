import { describe, expect, test } from 'vitest';
import { say, useBash } from '../fakes/model-server.ts';
import { lacking, seenInside, useClaude } from './claude-runs.ts';
import { commit, pathsOf, token, useRepositories } from './git-runs.ts';

describe.skipIf(lacking !== undefined)(
  lacking === undefined ? 'a repository, or a run on it, that means harm' : `(skipped: needs ${lacking})`,
  () => {
    const run = useClaude();
    const { create, serve } = useRepositories();

    test('G1: filters, insteadOf, hooks and helpers that the run has planted do nothing to the push', async () => {
      const remote = create('planted', { 'a.txt': '1\n' });
      const trap = await serve('planted');
      const { spec } = await serve('planted', { commit });
      const plant = [
        'mkdir -p .git/hooks output',
        'for hook in pre-commit commit-msg post-commit pre-push reference-transaction post-index-change; do printf "#!/bin/sh\\ntouch /workspace/output/hook-$(basename $0)\\n" > .git/hooks/$hook; chmod +x .git/hooks/$hook; done',
        `git config url.${trap.server.url}/.insteadOf ${spec.url.replace(/planted$/, '')}`,
        `git config remote.origin.pushurl ${trap.spec.url}`,
        'git config core.hooksPath .git/hooks; git config credential.helper "!touch /workspace/output/helper;"',
        'git config core.fsmonitor "touch /workspace/output/fsmonitor"',
        "git config filter.x.clean 'env > /workspace/output/filter-env; cat'; echo '*.txt filter=x' > .gitattributes",
        `git config commit.gpgSign true; git config gpg.program /bin/false; git config user.name Somebody`,
        'echo 2 >> a.txt',
      ].join('\n');
      const { result, artifact } = await run([useBash(plant), say('done')], { repo: spec });
      expect(result).toMatchObject({ status: 'succeeded', git: { pushed: true, diffStat: { files: 2 } } });
      expect(trap.server.requests).toEqual([]);
      expect(remote.git('rev-parse', 'main')).toBe(result.git?.sha);
      expect(remote.git('log', '-1', '--format=%an %cn', 'main')).toBe('Claude Code Claude Code');
      // A filter may run where Claude runs: it finds nothing there.
      expect(pathsOf(result).filter((path) => path !== 'output/filter-env')).toEqual([]);
      expect((await artifact('output/filter-env')) ?? '').not.toMatch(/token|API_KEY|RUNYARD_|_proxy/i);
    });

    test('G1: a pack that is no sound one is not pushed; a history that was replaced neither', async () => {
      const remote = create('forged', { a: '1\n' });
      const before = remote.git('rev-parse', 'main');
      const { spec } = await serve('forged', { commit });
      // A tree that holds `.git`, in a commit below the last one.
      const unsound = [
        'blob=$(git hash-object -w a)',
        "{ printf '100644 .git\\0'; printf \"$(echo $blob | sed 's/../\\\\x&/g')\"; } > bad",
        'tree=$(git hash-object -t tree --literally -w bad); rm bad; echo 2 > a',
        'git -c user.name=x -c user.email=x@x update-ref HEAD $(git -c user.name=x -c user.email=x@x commit-tree -p HEAD -m x $tree)',
      ].join('\n');
      const replaced =
        'rm -rf .git; git init -q -b main; git -c user.name=x -c user.email=x@x commit -q --allow-empty -m x';
      for (const [harm, message] of [
        [unsound, /no sound part of a repository/],
        [replaced, /could not be committed/],
      ] as const) {
        const { result } = await run([useBash(harm), say('done')], { repo: spec });
        expect(result.error?.message).toMatch(message);
        expect(result).toMatchObject({ status: 'failed', error: { code: 'git_error' }, claude: { response: 'done' } });
      }
      expect(remote.git('rev-parse', 'main')).toBe(before);
    });

    test('G2: what a repository brings along does not run: attributes, submodules, links', async () => {
      const remote = create('laden', { 'a.txt': 'a\n' });
      const gitmodules = '[submodule "m"]\n\tpath = m\n\turl = ../laden\n\tupdate = !touch /workspace/output/update\n';
      const laden = {
        '.gitattributes': '*.bin filter=lfs diff=lfs merge=lfs -text\n*.txt filter=evil\n',
        'big.bin': 'small\n',
        '.lfsconfig': '[lfs]\n\turl = http://127.0.0.1:1/\n',
        '.gitconfig': '[core]\n\thooksPath = .\n\tfsmonitor = touch /workspace/output/fsmonitor\n',
        'post-checkout': '#!/bin/sh\ntouch /workspace/output/hook\n',
      };
      const links = { m: remote.git('rev-parse', 'main') };
      remote.commit({ ...laden, '.gitmodules': gitmodules }, { links });
      const { spec } = await serve('laden');
      const done = await run([useBash('git status --short; cat m/a.txt big.bin'), say('ok')], { repo: spec });
      expect(done.result).toMatchObject({ status: 'succeeded' });
      expect(pathsOf(done.result)).toEqual([]);
      expect(seenInside(done)).toContain('a\\nsmall');
    });

    test('prior A7a: a secret of the task is not in the commit, unless Claude writes it there', async () => {
      const remote = create('quiet', { a: '1\n' });
      const { spec } = await serve('quiet', { commit });
      const { result } = await run([useBash('echo 2 >> a; [ -n "$NPM_TOKEN" ]'), say('done')], {
        repo: spec,
        secrets: { NPM_TOKEN: 'npm_the-value' },
      });
      expect(result).toMatchObject({
        status: 'succeeded',
        git: { pushed: true, diffStat: { files: 1, insertions: 1 } },
      });
      const all = remote
        .git('rev-list', '--objects', '--all')
        .split('\n')
        .map((line) => line.split(' ')[0] ?? '');
      for (const id of all) expect(remote.git('cat-file', '-p', id)).not.toMatch(new RegExp(`npm_the-value|${token}`));
    });
  },
);
