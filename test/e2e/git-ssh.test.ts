import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RepositorySpec } from '../../src/contracts/repository.ts';
import { lackingSshd, type SshServer, startSshServer } from '../fakes/git-server-ssh.ts';
import { say, useBash } from '../fakes/model-server.ts';
import { lacking as lackingClaude, useClaude } from './claude-runs.ts';
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
      const look = 'ls -A ~ ~/.ssh; grep -rl "PRIVATE KEY" . /tmp /runyard 2>/dev/null; echo 2 >> a';
      const done = await run([useBash(look), say('done')], { repo: repo('keyed', { commit }) });
      expect(done.result).toMatchObject({ status: 'succeeded', git: { pushed: true, diffStat: { insertions: 1 } } });
      expect(remote.git('rev-parse', 'main')).toBe(done.result.git?.sha);
      const middle = state.server!.key.split('\n')[2] ?? '';
      for (const told of [done.result, done.events, done.upstream.requests]) {
        expect(JSON.stringify(told)).not.toContain(middle);
      }
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
