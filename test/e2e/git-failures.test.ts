import { describe, expect, test } from 'vitest';
import { say, useBash } from '../fakes/model-server.ts';
import { lacking, useClaude } from './claude-runs.ts';
import { commit, token, useRepositories } from './git-runs.ts';

/** Each thing that can be wrong with a repository has an end of its own, before a model was asked. */

describe.skipIf(lacking !== undefined)(
  lacking === undefined ? 'a repository that cannot be had' : `(skipped: needs ${lacking})`,
  () => {
    const run = useClaude();
    const { create, serve } = useRepositories();

    test.each<[string, string, object, RegExp]>([
      ['is not there', 'nowhere', {}, /^There is no repository http.*nowhere/],
      ['has no such ref', 'real0', { ref: 'no-such' }, /has no branch, tag or commit no-such\./],
      ['has no such commit', 'real1', { ref: 'c'.repeat(40) }, /has no branch, tag or commit c{40}\./],
      ['does not take the credential', 'real2', { secret: 'wrong' }, /did not take the credential in repo\.secret/],
      ['wants a credential', 'real3', { secret: undefined }, /is not there, or wants a credential/],
      ['lies on a host that is down', 'real4', { url: 'http://127.0.0.1:9/x' }, /could not be reached/],
    ])('%s', async (_, name, more, message) => {
      if (name !== 'nowhere') create(name, { a: '1' });
      const { spec } = await serve(name, more);
      const { result, upstream, events } = await run([say('never')], {
        repo: JSON.parse(JSON.stringify({ ...spec, operator: { isAllowed: true, knownHosts: '' } })),
      });
      expect(result).toMatchObject({ status: 'failed', claude: { costUsd: 0 } });
      expect(result.error?.message).toMatch(message);
      expect(result.error?.code).toBe('git_error');
      expect(upstream.requests).toEqual([]);
      for (const told of [result, events]) expect(JSON.stringify(told)).not.toContain(token);
    });

    test('D6: lies on a private host that the operator does not allow', async () => {
      create('private', { a: '1' });
      const { spec, server } = await serve('private', { operator: { isAllowed: false, knownHosts: '' } });
      const { result } = await run([say('never')], {
        repo: { ...spec, url: spec.url.replace('127.0.0.1', 'localhost') },
      });
      expect(result).toMatchObject({
        status: 'failed',
        error: { code: 'egress_denied', message: expect.stringContaining('not on the public internet') },
      });
      expect(server.requests).toEqual([]);
    });

    test('D6: sends elsewhere', async () => {
      create('moving', { a: '1' });
      const other = await serve('moving', {}, {});
      const { spec } = await serve(
        'moving',
        {},
        {
          instead: (_request, response) => {
            response.writeHead(302, { location: `${other.spec.url}/info/refs?service=git-upload-pack` }).end();
            return true;
          },
        },
      );
      const { result } = await run([say('never')], { repo: spec });
      expect(result).toMatchObject({ status: 'failed', error: { code: 'egress_denied' } });
      expect(other.server.requests).toEqual([]);
    });

    test('refuses the push by its own rules', async () => {
      const remote = create('protected', { a: '1' });
      remote.git('config', 'receive.denyCurrentBranch', 'refuse');
      remote.git('config', 'core.bare', 'false');
      const { spec } = await serve('protected', { commit });
      const { result } = await run([useBash('echo 2 > a'), say('done')], { repo: { ...spec, url: `${spec.url}` } });
      expect(result).toMatchObject({
        status: 'failed',
        error: { code: 'git_error', message: expect.stringContaining('its own rules decline it') },
        git: { pushed: false, diffStat: { files: 1 } },
        claude: { response: 'done' },
      });
    });
  },
);
