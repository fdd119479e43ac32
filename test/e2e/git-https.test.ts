import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { RepositorySpec } from '../../src/contracts/repository.ts';
import { type GitServerOptions, openRepositories, type Repositories, startGitServer } from '../fakes/git-server.ts';
import { say, useBash } from '../fakes/model-server.ts';
import { lacking, seenInside, useClaude } from './claude-runs.ts';

const token = 'ghp_the-token-of-the-operator';

describe.skipIf(lacking !== undefined)(
  lacking === undefined ? 'a repository over http' : `(skipped: needs ${lacking})`,
  () => {
    const run = useClaude();
    const state: { repositories?: Repositories } = {};
    beforeAll(() => {
      state.repositories = openRepositories();
    });
    afterAll(() => state.repositories?.remove());

    const create: Repositories['create'] = (name, files) => state.repositories!.create(name, files);

    /** What a task is given for the repository of this name. */
    async function repo(
      name: string,
      more: Partial<RepositorySpec> = {},
      options: GitServerOptions = { password: token },
    ) {
      const server = await startGitServer(state.repositories!.dir, options);
      onTestFinished(() => server.close());
      const spec: RepositorySpec = {
        url: `${server.url}/${name}`,
        depth: 1,
        secret: token,
        operator: { isAllowed: true, knownHosts: '' },
        ...more,
      };
      return { spec, server };
    }

    const commit = { message: 'Mend it', push: true, onConflict: 'fail' } as const;

    test('is cloned, worked on, committed and pushed', async () => {
      const remote = create('whole', { 'README.md': 'hello\n', 'src/a.txt': 'a\n' });
      const { spec } = await repo('whole', { commit });
      const { result, events, ...rest } = await run(
        [
          useBash(
            'git status --short --branch; cat README.md; echo more >> README.md; echo new > b.txt; mkdir -p output; echo o > output/o',
          ),
          say('done'),
        ],
        { repo: spec },
      );
      expect(result).toMatchObject({
        status: 'succeeded',
        git: { branch: 'main', pushed: true, diffStat: { files: 2, insertions: 2, deletions: 0 } },
      });
      expect(seenInside({ result, events, ...rest })).toContain('## main...origin/main\\nhello');
      expect(remote.git('rev-parse', 'main')).toBe(result.git?.sha);
      expect(remote.git('show', 'main:README.md')).toBe('hello\nmore');
      expect(remote.git('log', '-1', '--format=%s|%an|%ae', 'main')).toBe('Mend it|Claude Code|noreply@anthropic.com');
      expect(remote.git('ls-tree', '-r', '--name-only', 'main')).toBe('README.md\nb.txt\nsrc/a.txt');
      expect(result.artifacts.map(({ path }) => path)).toEqual(['output/o', 'transcript.jsonl']);
    });
  },
);
