import { afterAll, beforeAll, onTestFinished } from 'vitest';
import type { CommitSpec, RepositorySpec } from '../../src/contracts/repository.ts';
import { type GitServerOptions, openRepositories, type Repositories, startGitServer } from '../fakes/git-server.ts';

/** What tests of repositories have in common. */

/** It must never be found outside of a wall of git. */
export const token = 'ghp_the-token-of-the-operator';

export const commit: CommitSpec = { message: 'Mend it', push: true, onConflict: 'fail' };

export function useRepositories() {
  const state: { repositories?: Repositories } = {};
  beforeAll(() => {
    state.repositories = openRepositories();
  });
  afterAll(() => state.repositories?.remove());
  return {
    create: (...args: Parameters<Repositories['create']>) => state.repositories!.create(...args),
    dir: () => state.repositories!.dir,
    /** What a task is given for the repository of this name, and the server that it lies on. */
    async serve(name: string, more: Partial<RepositorySpec> = {}, options: GitServerOptions = { password: token }) {
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
    },
  };
}

/** Paths of what a run left, without what Runyard adds to every run. */
export function pathsOf({ artifacts }: { readonly artifacts: readonly { readonly path: string }[] }): string[] {
  return artifacts.map(({ path }) => path).filter((path) => path !== 'transcript.jsonl');
}
