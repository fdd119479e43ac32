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
    const links = { m: create('near', { i: 'inner\n' }).git('rev-parse', 'main') };
    const robot = '[user]\n\tname = Šárka of "$(id)" Inc\n\temail = s@example.org\n'.replaceAll('"', '\\"');
    const remote = create('far', { a: '1\n', '.gitconfig': robot });
    remote.commit({ '.gitmodules': '[submodule "m"]\n\tpath = m\n\turl = ../near\n' }, { links });
    const { spec } = await serve('far', { commit });
    const look = 'echo 2 >> a; git status --short; cat m/i; git -C m rev-parse HEAD';
    const done = await run([useBash(look), say('ok')], { repo: spec });
    expect(done.result).toMatchObject({ status: 'succeeded', git: { pushed: true, diffStat: { insertions: 1 } } });
    expect(seenInside(done)).toContain(` M a\\ninner\\n${links.m}`);
    expect(remote.git('rev-parse', 'main')).toBe(done.result.git?.sha);
    expect(remote.git('log', '-1', '--format=%an <%ae>', 'main')).toBe('Šárka of "$(id)" Inc <s@example.org>');
  },
);
