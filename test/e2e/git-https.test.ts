import { describe, expect, test } from 'vitest';
import { say, toolResults, useBash } from '../fakes/model-server.ts';
import { lacking, seenInside, useClaude } from './claude-runs.ts';
import { commit, pathsOf, token, useRepositories } from './git-runs.ts';

describe.skipIf(lacking !== undefined)(
  lacking === undefined ? 'a repository over http' : `(skipped: needs ${lacking})`,
  () => {
    const run = useClaude();
    const { create, serve } = useRepositories();

    test('row 14, 15: is cloned, worked on, committed and pushed; the token is nowhere', async () => {
      const remote = create('whole', { 'README.md': 'hello\n', 'src/a.txt': 'a\n' });
      const { spec } = await serve('whole', { commit });
      const look = [
        'git status --short --branch; cat README.md given.txt; ls -A',
        'cat .git/config; find / -xdev -path /proc -prune -o -type f -name "*cred*" -newer /etc/hostname -print 2>/dev/null',
        `grep -rls ${token.slice(0, 20)} . /tmp /runyard /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | grep -v /self/ | head`,
      ].join('; ');
      const done = await run(
        ({ turn }) =>
          turn === 0
            ? useBash(look)
            : turn === 1
              ? useBash(
                  'echo more >> README.md; echo new > b.txt; mkdir -p output input; echo o > output/o; echo i > input/i',
                )
              : say('done'),
        { repo: spec, files: [{ path: 'given.txt', content: 'given\n', encoding: 'utf-8' }], env: { MINE: 'x' } },
      );
      const { result, events } = done;
      expect(result).toMatchObject({
        status: 'succeeded',
        git: { branch: 'main', pushed: true, diffStat: { files: 3, insertions: 3, deletions: 0 } },
      });
      expect(seenInside(done)).toContain('## main...origin/main\\n?? given.txt\\nhello\\ngiven\\n.git\\n');
      expect(seenInside(done)).not.toContain('.runyard');
      expect(seenInside(done)).not.toContain(token);
      for (const told of [result, events]) expect(JSON.stringify(told)).not.toContain(token);
      expect(remote.git('rev-parse', 'main')).toBe(result.git?.sha);
      expect(remote.git('show', 'main:README.md')).toBe('hello\nmore');
      expect(remote.git('log', '-1', '--format=%s|%an|%ae', 'main')).toBe('Mend it|Claude Code|noreply@anthropic.com');
      expect(remote.git('ls-tree', '-r', '--name-only', 'main').split('\n')).toEqual([
        ...['README.md', 'b.txt', 'given.txt', 'src/a.txt'],
      ]);
      expect(remote.git('fsck')).toBe('');
      expect(pathsOf(result)).toEqual(['output/o']);
      expect(events.filter(({ stream }) => stream === 'phase').map(({ text }) => text)).toEqual([
        `clone of ${spec.url} begins`,
        ...['checkout begins', 'claude begins', 'commit begins'],
        'push to main begins',
      ]);
    });

    test('row 14: a branch, a tag, a commit, all of the history; without a credential where it is public', async () => {
      const remote = create('refs', { a: '1' });
      remote.commit({ a: '2' }, { branch: 'feature/x' });
      remote.git('tag', '-a', '-m', 't', 'v1', 'feature/x');
      const old = remote.git('rev-parse', 'main');
      remote.commit({ a: '3' });
      const { spec } = await serve('refs', {}, { isPublic: true, password: token });
      const { secret: _none, ...open } = spec;
      const seen = async (more: object) => {
        const done = await run(
          [useBash('git rev-parse --abbrev-ref HEAD; cat a; echo; git rev-list --count HEAD'), say('ok')],
          {
            repo: { ...open, ...more },
          },
        );
        expect(done.result).toMatchObject({ status: 'succeeded' });
        expect(done.result).not.toHaveProperty('git');
        return toolResults(JSON.parse(done.upstream.requests.at(-1)?.body ?? ''))
          .join()
          .trim()
          .split('\n');
      };
      expect(await seen({ ref: 'feature/x' })).toEqual(['feature/x', '2', '1']);
      expect(await seen({ ref: 'v1', depth: 5 })).toEqual(['HEAD', '2', '2']);
      expect(await seen({ ref: old })).toEqual(['HEAD', '1', '1']);
      expect(await seen({ depth: 0 })).toEqual(['main', '3', '2']);
    });

    test('a run that fails leaves the remote alone; one that changes nothing commits nothing', async () => {
      const remote = create('untouched', { a: '1' });
      const before = remote.git('rev-parse', 'main');
      const { spec } = await serve('untouched', { commit });
      const bad = await run([useBash('echo 2 > a')], { repo: spec, maxTurns: 1 });
      expect(bad.result).toMatchObject({ status: 'failed', error: { code: 'max_turns' } });
      expect(bad.result).not.toHaveProperty('git');
      const same = await run([say('nothing to do')], { repo: spec });
      expect(same.result).toMatchObject({
        status: 'succeeded',
        git: { sha: before, branch: 'main', pushed: false, diffStat: { files: 0, insertions: 0, deletions: 0 } },
      });
      expect(remote.git('rev-parse', 'main')).toBe(before);
    });

    test('commits what is named, to a branch of its own; without a push it is counted all the same', async () => {
      const remote = create('chosen', { a: '1\n', b: '1\n' });
      const { spec } = await serve('chosen', { commit: { ...commit, files: ['a', 'new'], branch: 'fix/it' } });
      const work = useBash('echo 2 >> a; echo 2 >> b; mkdir new; echo n > new/file; echo x > other');
      const { result } = await run([work, say('ok')], { repo: spec });
      expect(result.git).toMatchObject({ branch: 'fix/it', pushed: true, diffStat: { files: 2, insertions: 2 } });
      expect(remote.git('diff', '--name-only', 'main', 'fix/it')).toBe('a\nnew/file');
      const kept = await run([work, say('ok')], { repo: { ...spec, commit: { ...commit, push: false } } });
      expect(kept.result).toMatchObject({ status: 'succeeded', git: { pushed: false, diffStat: { files: 4 } } });
      expect(kept.result.git?.sha).not.toBe(remote.git('rev-parse', 'main'));
    });
  },
);
