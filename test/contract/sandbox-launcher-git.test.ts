import { afterAll, expect, test } from 'vitest';
import { createLauncher } from '../../src/sandbox/cloud-run-launcher/index.ts';
import { lacking, seenInside, useClaude } from '../e2e/claude-runs.ts';
import { commit, useRepositories } from '../e2e/git-runs.ts';
import { makeLauncherInstance } from '../fakes/launcher/instance.ts';
import { say, useBash } from '../fakes/model-answers.ts';

const instance = makeLauncherInstance();
afterAll(() => instance.remove());
const run = useClaude((options) => createLauncher({ ...options, launcherPath: instance.path }));
const { create, serve } = useRepositories();

test.skipIf(lacking !== undefined)(
  `row 14, 15: a repository in the launcher's wall${lacking === undefined ? '' : ` (skipped: needs ${lacking})`}`,
  async () => {
    const remote = create('far', { a: '1\n' });
    const { spec } = await serve('far', { commit });
    const done = await run([useBash('echo 2 >> a; git status --short'), say('ok')], { repo: spec });
    expect(done.result).toMatchObject({ status: 'succeeded', git: { pushed: true, diffStat: { insertions: 1 } } });
    expect(seenInside(done)).toContain(' M a');
    expect(remote.git('rev-parse', 'main')).toBe(done.result.git?.sha);
  },
);
