import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RepositorySpec } from '../../src/contracts/repository.ts';
import { lackingSshd, type SshServer, startSshServer } from '../fakes/git-server-ssh.ts';
import { say, useBash } from '../fakes/model-server.ts';
import { lacking as lackingClaude, seenInside, useClaude } from './claude-runs.ts';
import { commit, useRepositories } from './git-runs.ts';

const lacking = lackingClaude ?? lackingSshd;

describe.skipIf(lacking !== undefined)(
  lacking === undefined ? 'a repository over ssh' : `(skipped: needs ${lacking})`,
  () => {
    const run = useClaude();
    const { create, dir } = useRepositories();
    const state: { server?: SshServer } = {};
    beforeAll(async () => {
      state.server = await startSshServer();
    });
    afterAll(() => state.server?.close());

    function repo(name: string, more: Partial<RepositorySpec> = {}): RepositorySpec {
      const { port, user, key, knownHost } = state.server!;
      return {
        url: `ssh://${user}@127.0.0.1:${port}${dir()}/${name}`,
        depth: 1,
        secret: key,
        operator: { isAllowed: true, knownHosts: knownHost },
        ...more,
      };
    }

    test('prior A8c: row 14, 15: is cloned with a deploy key and pushed to; the key is nowhere', async () => {
      const remote = create('keyed', { a: '1\n' });
      // It finds what is there, and prints the line of a key that is looked for below.
      const hunt =
        'printf "PRIVATE KEY\\n1\\ndecoy-found\\n" > /tmp/decoy; grep -rhaA2 "PRIVATE KEY" . ~ /tmp /runyard /proc/[0-9]*/environ';
      const look = `ls -A ~ ~/.ssh; ${hunt} 2>/dev/null; echo 2 >> a`;
      const done = await run([useBash(look), say('done')], { repo: repo('keyed', { commit }) });
      expect(done.result).toMatchObject({ status: 'succeeded', git: { pushed: true, diffStat: { insertions: 1 } } });
      expect(remote.git('rev-parse', 'main')).toBe(done.result.git?.sha);
      const middle = state.server!.key.split('\n')[2] ?? '';
      expect(JSON.stringify(done.upstream.requests)).toContain('decoy-found');
      for (const told of [done.result, done.events, done.upstream.requests]) {
        expect(JSON.stringify(told)).not.toContain(middle);
      }
    });

    test('a submodule of another owner is not asked for with the key', async () => {
      const { port, user } = state.server!;
      const gitmodules = `[submodule "m"]\n\tpath = m\n\turl = ssh://${user}@127.0.0.1:${port}/other/m\n`;
      create('keyed-top', { a: '1\n' }).commit({ '.gitmodules': gitmodules }, { links: { m: '1'.repeat(40) } });
      const { result } = await run([say('never')], { repo: repo('keyed-top') });
      expect(result).toMatchObject({ status: 'failed', error: { code: 'git_error' }, claude: { costUsd: 0 } });
      expect(result.error?.message).toMatch(
        /^The submodule m of \S+ cannot be had\. ssh:\S+ is of another owner, and ssh/,
      );
    });

    test('a submodule is fetched with the same key', async () => {
      const links = { m: create('keyed-inner', { i: 'inner\n' }).git('rev-parse', 'main') };
      const gitmodules = '[submodule "m"]\n\tpath = m\n\turl = ../keyed-inner\n';
      create('keyed-outer', { a: '1\n' }).commit({ '.gitmodules': gitmodules }, { links });
      const done = await run([useBash('cat m/i'), say('done')], { repo: repo('keyed-outer') });
      expect(done.result).toMatchObject({ status: 'succeeded' });
      expect(seenInside(done)).toContain('inner');
    });

    test.each<[string, () => Partial<RepositorySpec>, RegExp]>([
      ['unknown', () => ({ operator: { isAllowed: true, knownHosts: '' } }), /^The host key of ssh:.* is not known/],
      [
        'another one than the known one',
        () => ({ operator: { isAllowed: true, knownHosts: state.server!.otherKnownHost } }),
        /is another one than the one that is known/,
      ],
    ])('a host key that is %s ends it before anything is sent', async (_, more, message) => {
      const { result } = await run([say('never')], { repo: repo('keyed', more()) });
      expect(result).toMatchObject({ status: 'failed', error: { code: 'git_error' } });
      expect(result.error?.message).toMatch(message);
    });

    test.each<[string, () => Partial<RepositorySpec>, RegExp]>([
      ['a wrong key', () => ({ secret: state.server!.strangerKey }), /did not take the credential in repo\.secret/],
      ['a key that is none', () => ({ secret: 'no key' }), /is no private key that ssh can read/],
      ['no such repository', () => ({ url: `${repo('keyed').url}-not` }), /^There is no repository ssh:/],
    ])('%s has a sentence of its own', async (_, more, message) => {
      const { result } = await run([say('never')], { repo: repo('keyed', more()) });
      expect(result).toMatchObject({ status: 'failed', error: { code: 'git_error' } });
      expect(result.error?.message).toMatch(message);
    });
  },
);
