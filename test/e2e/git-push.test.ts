import { describe, expect, test } from 'vitest';
import { say, useBash } from '../fakes/model-server.ts';
import { lacking, useClaude } from './claude-runs.ts';
import { commit, pathsOf, token, useRepositories } from './git-runs.ts';

describe.skipIf(lacking !== undefined)(
  lacking === undefined ? 'a push to a branch that has moved on' : `(skipped: needs ${lacking})`,
  () => {
    const run = useClaude();
    const { create, serve } = useRepositories();
    const lines = (word: string) =>
      `${Array.from({ length: 9 }, (_, at) => (at === 4 ? word : `line ${at}`)).join('\n')}\n`;
    const agent = useBash(
      "sed -i 's/^base$/agent/' both; echo mine > mine; rm gone; mkdir -p output; echo o > output/o",
    );

    /** Somebody changes the same line, and others, once the run has been cloned. */
    async function moved(name: string, onConflict: 'fail' | 'rebase' | 'force') {
      const remote = create(name, { both: lines('base'), gone: 'old\n' });
      const { spec } = await serve(name, { commit: { ...commit, onConflict } });
      const seen = { person: '' };
      const done = await run(
        ({ turn }) => {
          if (turn > 0) return say('done');
          seen.person = remote.commit({ both: lines('person'), theirs: 'theirs\n', gone: 'changed\n' });
          return agent;
        },
        { repo: spec },
      );
      return { ...done, remote, ...seen };
    }

    test('fail: nothing is pushed, and everything else is kept', async () => {
      const { result, remote, person } = await moved('fail', 'fail');
      expect(result).toMatchObject({
        status: 'failed',
        error: { code: 'git_error', message: expect.stringMatching(/^The branch main of .* has moved on meanwhile/) },
        git: { branch: 'main', pushed: false, diffStat: { files: 3, insertions: 2, deletions: 2 } },
        claude: { response: 'done' },
      });
      expect(pathsOf(result)).toEqual(['commit.patch', 'output/o']);
      expect(remote.git('rev-parse', 'main')).toBe(person);
    });

    test("prior A6a: rebase: the agent's side of a conflict stays, and what others did besides, from a shallow clone", async () => {
      const { result, remote, person } = await moved('rebase', 'rebase');
      expect(result).toMatchObject({ status: 'succeeded', git: { branch: 'main', pushed: true } });
      expect(remote.git('rev-parse', 'main')).toBe(result.git?.sha);
      expect(remote.git('rev-parse', 'main~1')).toBe(person);
      expect(remote.git('show', 'main:both')).toBe(lines('agent').trimEnd());
      expect(remote.git('ls-tree', '--name-only', 'main').split('\n')).toEqual(['both', 'mine', 'theirs']);
      expect(remote.git('fsck')).toBe('');
    });

    test('force: the branch becomes what the agent made of it', async () => {
      const { result, remote } = await moved('force', 'force');
      expect(result).toMatchObject({ status: 'succeeded', git: { pushed: true } });
      expect(remote.git('ls-tree', '--name-only', 'main').split('\n')).toEqual(['both', 'mine']);
    });

    test('force leases against what was seen just before: a push in between is not lost', async () => {
      const remote = create('lease', { both: lines('base'), gone: 'old\n' });
      const state = { pushes: 0 };
      const options = {
        password: token,
        beforePush: () => {
          if (state.pushes++ === 0) remote.commit({ late: 'late\n' });
        },
      };
      const { spec } = await serve('lease', { commit: { ...commit, onConflict: 'force' } }, options);
      const { result } = await run([agent, say('done')], { repo: spec });
      expect(result).toMatchObject({ status: 'failed', error: { code: 'git_error' }, git: { pushed: false } });
      expect(remote.git('show', 'main:late')).toBe('late');
    });
  },
);
