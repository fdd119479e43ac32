import { describe, expect, test } from 'vitest';
import { say, useBash } from '../fakes/model-server.ts';
import { lacking, seenInside, useClaude } from './claude-runs.ts';
import { commit, pathsOf, token, useRepositories } from './git-runs.ts';

/** What belongs to a repository and lies in another place: it is there, or the run ends before it has cost anything. */

describe.skipIf(lacking !== undefined)(
  lacking === undefined ? 'submodules and Git LFS' : `(skipped: needs ${lacking})`,
  () => {
    const run = useClaude();
    const { create, serve } = useRepositories();
    const modules = (urls: Readonly<Record<string, string>>) =>
      Object.entries(urls)
        .map(([path, url]) => `[submodule "of ${path}"]\n\tpath = ${path}\n\turl = ${url}\n`)
        .join('');
    const pointer = 'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n';

    /** A repository `top` that holds `deps/a b`, which holds `inner`. */
    function nest(name: string) {
      const inner = create(`${name}-inner`, { 'i.txt': 'innermost\n' });
      const old = inner.git('rev-parse', 'main');
      inner.commit({ 'i.txt': 'newer\n' });
      const outer = create(`${name}-outer`, { 'o.txt': 'outer\n' });
      const middle = outer.commit({ '.gitmodules': modules({ inner: `../${name}-inner` }) }, { links: { inner: old } });
      const top = create(name, { 't.txt': 'top\n' });
      top.commit({ '.gitmodules': modules({ 'deps/a b': `./../${name}-outer` }) }, { links: { 'deps/a b': middle } });
      return { top, outer, middle };
    }

    test('submodules are there at their commits, those within them too; the commit leaves them as they are', async () => {
      const { top, middle } = nest('nested');
      const { spec } = await serve('nested', { commit });
      const look = 'cat t.txt "deps/a b/o.txt" "deps/a b/inner/i.txt"; git submodule status; git status --short';
      const done = await run([useBash(`${look}; echo more >> t.txt`), say('ok')], { repo: spec });
      expect(done.result).toMatchObject({ status: 'succeeded', git: { pushed: true, diffStat: { files: 1 } } });
      expect(seenInside(done)).toContain(`top\\nouter\\ninnermost\\n ${middle} deps/a b (heads/main)`.split(' (')[0]);
      expect(pathsOf(done.result)).toEqual([]);
      expect(top.git('ls-tree', 'main', 'deps/a b')).toContain(middle);
      expect(top.git('show', 'main:t.txt')).toBe('top\nmore');
    });

    test.each([
      ['files', 'echo x > "deps/a b/new"'],
      ['commits', 'cd "deps/a b"; echo x >> o.txt; git -c user.name=x -c user.email=x commit -qam x'],
      ['newcomers', 'git init -q -b main own; cd own; git -c user.name=x -c user.email=x commit -q --allow-empty -m x'],
    ])('what was changed in one is never half pushed: nothing is, and the rest is kept: %s', async (name, change) => {
      const { top } = nest(name);
      const before = top.git('rev-parse', 'main');
      const { spec } = await serve(name, { commit });
      const { result, artifact } = await run([useBash(`echo more >> t.txt; ${change}`), say('ok')], { repo: spec });
      expect(result).toMatchObject({ status: 'failed', git: { pushed: false }, claude: { response: 'ok' } });
      expect(result.error).toEqual({
        code: 'git_error',
        message: expect.stringMatching(
          /^(deps\/a b|own) is a repository of its own, .* Nothing was pushed\. The commit is kept as commit\.patch\.$/,
        ),
      });
      expect(await artifact('commit.patch')).toContain('+more');
      expect(top.git('rev-parse', 'main')).toBe(before);
    });

    test('one that cannot be had ends it before anything has begun, and says which and why', async () => {
      const top = create('torn', { a: '1' });
      const refusals: [Record<string, string>, RegExp][] = [
        [{ m: 'https://gitlab.example/o/m' }, /^The submodule m of http\S+\/torn lies on gitlab\.example\. Only what/],
        [{ m: 'ext::sh -c id' }, /^The submodule m of http\S+\/torn lies at an address that cannot be used here\./],
        [{ m: '../nowhere' }, /^The submodule m of \S+ cannot be had\. There is no repository http\S+\/nowhere/],
        [{ m: '../torn' }, /^The submodule m of \S+ cannot be had\. http\S+\/torn has no branch, tag or commit 1{40}/],
      ];
      for (const [named, message] of refusals) {
        top.commit({ '.gitmodules': modules(named) }, { links: { m: '1'.repeat(40) } });
        const { spec } = await serve('torn', { commit });
        const { result, upstream } = await run([say('never')], { repo: spec });
        expect(result).toMatchObject({ status: 'failed', error: { code: 'git_error' }, claude: { costUsd: 0 } });
        expect(result.error?.message).toMatch(message);
        expect(upstream.requests).toEqual([]);
      }
    });

    test("one of another owner is asked for without the repository's credential", async () => {
      const inner = create('theirs/inner', { i: 'within it\n' });
      const named = { '.gitmodules': modules({ n: '../inner' }), t: 'of another\n' };
      const theirs = create('theirs/open', { a: '1' }).commit(named, { links: { n: inner.git('rev-parse', 'main') } });
      const links = { m: theirs };
      create('ours/top', { a: '1\n' }).commit({ '.gitmodules': modules({ m: '../../theirs/open' }) }, { links });
      const refused = await serve('ours/top');
      const { result } = await run([say('never')], { repo: refused.spec });
      expect(result).toMatchObject({ status: 'failed', error: { code: 'git_error' }, claude: { costUsd: 0 } });
      expect(result.error?.message).toMatch(
        /^The submodule m of \S+ cannot be had\. .*is of another owner it is asked for without/,
      );
      const open = await serve('ours/top', {}, { password: token, isPublic: true });
      const done = await run([useBash('cat m/t m/n/i'), say('ok')], { repo: open.spec });
      expect(done.result).toMatchObject({ status: 'succeeded' });
      expect(seenInside(done)).toContain('of another\\nwithin it');
      const asked = [refused, open].flatMap(({ server }) => server.requests);
      const ofTheirs = asked.filter(({ url }) => url.startsWith('/theirs/'));
      expect(ofTheirs.length).toBeGreaterThan(1);
      expect(ofTheirs.filter(({ authorization }) => authorization)).toEqual([]);
      expect(asked.filter(({ authorization }) => authorization).length).toBeGreaterThan(0);
    });

    test('a commit of a repository that nobody names is an empty folder, and told', async () => {
      const top = create('stray', { a: '1\n' });
      top.commit({ a: '2\n' }, { links: { stray: '2'.repeat(40) } });
      const { spec } = await serve('stray', { commit });
      const { result, events } = await run([useBash('ls -A stray; echo 3 >> a'), say('ok')], {
        repo: spec,
      });
      expect(result).toMatchObject({ status: 'succeeded', git: { pushed: true, diffStat: { files: 1 } } });
      expect(events.map(({ text }) => text)).toContainEqual(expect.stringMatching(/^stray is a commit .* empty here$/));
    });

    test('pointers to Git LFS end it, in a submodule too; attributes alone do not', async () => {
      const attributes = { '.gitattributes': '*.txt text\n', 'art/.gitattributes': '*.bin filter=lfs -text\n' };
      const plain = create('attributed', { ...attributes, 'art/small.bin': 'the file itself\n', 'like.bin': pointer });
      const { spec } = await serve('attributed', { commit });
      const done = await run([useBash('cat art/small.bin; echo x > art/new.bin'), say('ok')], { repo: spec });
      expect(seenInside(done)).toContain('the file itself');
      expect(done.result).toMatchObject({
        status: 'failed',
        error: {
          code: 'git_error',
          message: expect.stringMatching(/^art\/new\.bin belongs into Git LFS, .*Nothing was/),
        },
        git: { pushed: false },
        claude: { response: 'ok' },
      });

      const sha = plain.commit({ 'art/big one.bin': pointer });
      create('within', { a: '1' }).commit(
        { '.gitmodules': modules({ art: '../attributed' }) },
        { links: { art: sha } },
      );
      for (const [name, message] of [
        ['attributed', /^art\/big one\.bin of http\S+\/attributed lies in Git LFS, which is not fetched\. Name a ref/],
        ['within', /^The submodule art of http\S+\/within cannot be had\. art\/big one\.bin of \S+ lies in Git LFS/],
      ] as const) {
        const { spec } = await serve(name);
        const { result, upstream } = await run([say('never')], { repo: spec });
        expect(result).toMatchObject({ status: 'failed', error: { code: 'git_error' }, claude: { costUsd: 0 } });
        expect(result.error?.message).toMatch(message);
        expect(upstream.requests).toEqual([]);
      }
    });
  },
);
