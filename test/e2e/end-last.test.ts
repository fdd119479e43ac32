import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, test } from 'vitest';
import { newTaskId } from '../../src/contracts/ids.ts';
import { keys } from '../../src/contracts/keys.ts';
import type { Store } from '../../src/contracts/store.ts';
import type { CodeSpec, TaskRecord } from '../../src/contracts/task.ts';
import { closeInheritedDescriptors } from '../../src/lib/descriptors.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { executeRun } from '../../src/runner/run.ts';
import { createBubblewrap } from '../../src/sandbox/bubblewrap/index.ts';
import { createLocalSeal } from '../../src/seal/local.ts';
import { createFilesystemStore } from '../../src/store/filesystem.ts';
import { openRepositories, startGitServer } from '../fakes/git-server.ts';
import { say, startModelServer, useBash } from '../fakes/model-server.ts';
import { lacking } from './claude-runs.ts';
import { createHome, serve } from './served.ts';

/** Whoever sees that a run has ended sees everything of it. */

closeInheritedDescriptors();

test('prior A11a: the result of a run is the last that is written of it, after every line and every file', async () => {
  const home = mkdtempSync(join(process.getuid?.() === 0 ? '/var/lib' : tmpdir(), 'runyard-last-'));
  chmodSync(home, 0o711);
  const store = createFilesystemStore({ dir: join(home, 'store') });
  const sandbox = createBubblewrap({ workDir: join(home, 'work'), nodePath: process.execPath, slots: 0 });
  const written: string[] = [];
  const watched: Store = {
    ...store,
    create: async (key, data) => {
      // Slow, so that what is not waited for comes too late.
      if (key.includes('/events/')) await delay(1500);
      if (key.includes('/artifacts/')) await delay(100);
      const made = await store.create(key, data);
      written.push(key);
      return made;
    },
  };
  const seal = createLocalSeal({ keyFile: join(home, 'key') });
  const about = { kind: 'code', owner: 'local:0', backend: 'local', runs: 1, size: 'small' } as const;
  const task: TaskRecord = { ...about, id: newTaskId(), createdAt: new Date().toISOString(), timeoutSeconds: 30 };
  const code = 'echo first; sleep 0.7; for n in 1 2 3; do echo $n > output/$n; done; echo; printf "the last words"';
  const spec: CodeSpec = { kind: 'code', language: 'bash', code, files: [], stdin: '', args: [], env: {} };
  await store.create(keys.sealed(task.id), await seal.seal(Buffer.from(JSON.stringify(spec)), task.id));
  const openGateway = () => Promise.reject(new Error('no gateway is asked for'));
  const others = { seal, sandbox, openGateway, handle: {}, tell: () => {}, log: silentLogger };
  await executeRun({ store: watched, ...others }, task, 0, new AbortController());
  await sandbox.close();
  const chunks = written.filter((key) => key.startsWith(keys.events(task.id, 0)));
  expect(String(await store.read(chunks.at(-1) ?? ''))).toContain('the last words');
  const files = ['1', '2', '3'].map((name) => keys.artifact(task.id, 0, `output/${name}`));
  expect(written).toEqual(expect.arrayContaining(files));
  expect(written.indexOf(keys.result(task.id, 0))).toBe(written.length - 1);
  await store.close();
  rmSync(home, { recursive: true, force: true });
});

describe.skipIf(lacking !== undefined)(
  lacking === undefined ? 'a run that pushes' : `(skipped: needs ${lacking})`,
  () => {
    const { home, remove } = createHome();
    const repositories = openRepositories();
    afterAll(() => {
      remove();
      repositories.remove();
    });

    test('prior A11a: has ended for nobody before its commit is where it belongs', async () => {
      const remote = repositories.create('shop', { a: '1\n' });
      const store = createFilesystemStore({ dir: join(home, 'store') });
      const state: { id?: string; atPush?: Promise<Buffer | undefined> } = {};
      const git = await startGitServer(repositories.dir, {
        beforePush: () => {
          state.atPush = store.read(keys.result(state.id ?? '', 0));
        },
      });
      const model = await startModelServer([useBash('sleep 2; echo 2 >> a'), say('done')]);
      const served = await serve(home, {
        ...{ ANTHROPIC_API_KEY: 'sk-test', ANTHROPIC_BASE_URL: model.url },
        RUNYARD_GIT_ALLOW: `127.0.0.1:${git.port}`,
      });
      const repo = { url: `${git.url}/shop`, commit: { message: 'Mend it' } };
      const { task_id } = await served.call('run_claude_task', { prompt: 'x', repo, wait_seconds: 0 });
      state.id = String(task_id);
      const { result } = await served.call('get_task_logs', { task_id, wait_seconds: 50 });
      expect(result).toMatchObject({
        status: 'succeeded',
        git: { pushed: true, sha: remote.git('rev-parse', 'main') },
      });
      expect(state.atPush).toBeDefined();
      expect(await state.atPush).toBeUndefined();
      await Promise.all([served.close(), git.close(), model.close(), store.close()]);
    });
  },
);
