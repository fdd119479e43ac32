import type { IncomingMessage } from 'node:http';
import { describe, expect, test } from 'vitest';
import { say, useBash } from '../fakes/model-server.ts';
import { lacking, type RunOptions, useClaude } from './claude-runs.ts';
import { commit, pathsOf, token, useRepositories } from './git-runs.ts';

/** A run that is ended while git is at work ends at once, tells what is true, and leaves the remote as it was. */

describe.skipIf(lacking !== undefined)(
  lacking === undefined ? 'a run that is ended while git is at work' : `(skipped: needs ${lacking})`,
  () => {
    const run = useClaude();
    const { create, serve } = useRepositories();
    const endsMs = 5000;

    /** A server that never answers such a request, and what resolves once there is one. */
    function silent(isOf: (method: string, url: string) => boolean) {
      const { promise, resolve } = Promise.withResolvers<void>();
      return {
        asked: promise,
        options: {
          password: token,
          instead: ({ method = '', url = '', headers }: IncomingMessage) => {
            const isSilent = headers.authorization !== undefined && isOf(method, url);
            if (isSilent) resolve();
            return isSilent;
          },
        },
      };
    }

    const isClone = (_: string, url: string) => url.includes('git-upload-pack');
    const isPush = (method: string, url: string) => method === 'POST' && url.includes('git-receive-pack');

    /** How long the run took to end from the moment that this was resolved. */
    async function endedAfter(moment: Promise<unknown>, script: Parameters<typeof run>[0], options: RunOptions) {
      const at = moment.then(() => performance.now());
      const done = await run(script, options);
      return { ...done, afterMs: performance.now() - (await at) };
    }

    test('prior D6i: a cancel during the clone', async () => {
      create('clone-cancel', { a: '1\n' });
      const { asked, options } = silent(isClone);
      const { spec } = await serve('clone-cancel', { commit }, options);
      const { result, upstream, afterMs } = await endedAfter(asked, [say('never')], { repo: spec, stopWhen: asked });
      expect(result).toMatchObject({ status: 'cancelled', error: { code: 'cancelled' }, claude: { costUsd: 0 } });
      expect(result).not.toHaveProperty('git');
      expect(upstream.requests).toEqual([]);
      expect(afterMs).toBeLessThan(endsMs);
    });

    test('prior D6i: the time limit during the clone', async () => {
      create('clone-time', { a: '1\n' });
      const { asked, options } = silent(isClone);
      const { spec } = await serve('clone-time', { commit }, options);
      const { result, durationMs } = await run([say('never')], { repo: spec, timeoutSeconds: 10 });
      await asked;
      expect(result).toMatchObject({
        status: 'timed_out',
        error: { code: 'timed_out', message: 'The run reached its time limit of 10 s and was stopped.' },
        claude: { costUsd: 0 },
      });
      expect(durationMs).toBeLessThan(10_000 + endsMs);
    });

    test('a cancel during a submodule’s clone', async () => {
      const inner = create('slow-inner', { a: '1\n' });
      const sha = inner.git('rev-parse', 'main');
      const gitmodules = '[submodule "m"]\n\tpath = m\n\turl = ../slow-inner\n';
      create('slow-outer', { a: '1\n' }).commit({ '.gitmodules': gitmodules }, { links: { m: sha } });
      const { asked, options } = silent((_, url) => url.startsWith('/slow-inner'));
      const { spec } = await serve('slow-outer', {}, options);
      const { result, afterMs } = await endedAfter(asked, [say('never')], { repo: spec, stopWhen: asked });
      expect(result).toMatchObject({ status: 'cancelled', error: { message: 'The task was cancelled.' } });
      expect(afterMs).toBeLessThan(endsMs);
    });

    test.each([
      ['a cancel', 'cancelled'],
      ['the time limit', 'timed_out'],
    ] as const)('%s during setup', async (_, status) => {
      const remote = create(`setup-${status}`, { a: '1\n' });
      const before = remote.git('rev-parse', 'main');
      const { spec, server } = await serve(`setup-${status}`, { commit });
      const seen = { at: 0 };
      const { result, upstream } = await run([say('never')], {
        repo: spec,
        setupCommands: ['echo 2 >> a; mkdir -p output; echo o > output/o; echo in setup; setsid sleep 300'],
        stopReason: status,
        stopAt: ({ text }) => {
          if (text !== 'in setup') return false;
          seen.at ||= performance.now();
          return true;
        },
      });
      const afterMs = performance.now() - seen.at;
      expect(result).toMatchObject({ status, error: { code: status } });
      expect(result).not.toHaveProperty('git');
      expect(pathsOf(result)).toEqual(['output/o']);
      expect(upstream.requests).toEqual([]);
      expect(afterMs).toBeLessThan(endsMs);
      expect(server.requests.filter(({ url }) => url.includes('git-receive-pack'))).toEqual([]);
      expect(remote.git('rev-parse', 'main')).toBe(before);
    });

    test.each([
      ['a cancel', 'cancelled'],
      ['the time limit', 'timed_out'],
    ] as const)(
      '%s during the push: the answer and the commit are kept, and what is not known is said',
      async (_, reason) => {
        const remote = create(`push-${reason}`, { a: '1\n' });
        const before = remote.git('rev-parse', 'main');
        const { asked, options } = silent(isPush);
        const { spec } = await serve(`push-${reason}`, { commit }, options);
        const done = await endedAfter(asked, [useBash('echo 2 >> a'), say('done')], {
          ...{ repo: spec, stopWhen: asked, stopReason: reason },
        });
        expect(done.result).toMatchObject({
          status: reason,
          error: {
            code: reason,
            message: expect.stringMatching(
              /^The (task|run) .*\. The push had begun, and whether main of \S+ was moved is not known\. The commit is kept as commit\.patch\.$/,
            ),
          },
          git: { branch: 'main', pushed: false, diffStat: { files: 1 } },
          claude: { response: 'done' },
        });
        expect(pathsOf(done.result)).toEqual(['commit.patch']);
        expect(done.afterMs).toBeLessThan(endsMs);
        expect(remote.git('rev-parse', 'main')).toBe(before);
        expect(remote.git('for-each-ref', '--format=%(refname)')).toBe('refs/heads/main');
      },
    );
  },
);
