import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { newTaskId } from '../../../src/contracts/ids.ts';
import { keys } from '../../../src/contracts/keys.ts';
import type { RunnerHint } from '../../../src/contracts/runner-channel.ts';
import { type RunResult, runResult, type TaskRecord } from '../../../src/contracts/task.ts';
import { silentLogger } from '../../../src/lib/logger.ts';
import { reportResult } from '../../../src/runner/report.ts';
import { createFilesystemStore } from '../../../src/store/filesystem.ts';

const dir = mkdtempSync(join(tmpdir(), 'runyard-report-'));
const store = createFilesystemStore({ dir });
afterAll(async () => {
  await store.close();
  rmSync(dir, { recursive: true });
});

const task: TaskRecord = {
  id: newTaskId(),
  kind: 'code',
  owner: 'local:0',
  backend: 'local',
  runs: 3,
  size: 'small',
  timeoutSeconds: 60,
  createdAt: new Date().toISOString(),
};

const good: RunResult = {
  run: 0,
  status: 'succeeded',
  exitCode: 0,
  stdout: 'out',
  stderr: '',
  truncated: false,
  artifacts: [],
  startedAt: new Date().toISOString(),
  durationMs: 5,
  sandbox: { technology: 'bubblewrap', network: 'none' },
};

async function report(result: RunResult): Promise<{ written: RunResult; told: RunnerHint[] }> {
  const told: RunnerHint[] = [];
  await reportResult(store, task, result, { log: silentLogger, tell: (hint) => told.push(hint) });
  return { written: runResult.parse(JSON.parse(String(await store.read(keys.result(task.id, result.run))))), told };
}

test('a result is written as it is, and told once it can be seen', async () => {
  const { written, told } = await report(good);
  expect(written).toEqual(good);
  expect(told).toEqual([{ task: task.id, run: 0, news: 'ended' }]);
});

test('where somebody wrote it before, that one holds, and this one is nobody’s to tell', async () => {
  const another = { ...good, stdout: 'another' };
  expect((await report(another)).written.stdout).toBe('out');
  expect(await reportResult(store, task, another, { log: silentLogger, tell: () => {} })).toBeUndefined();
});

test('a result whose writing was confirmed by nobody is nobody’s to tell; one that only the disk held up is', async () => {
  const failsOnce = (what: 'create' | 'persist'): typeof store => {
    let failures = 0;
    const then = <T>(value: T): T => {
      if (failures++ === 0) throw new Error('its answer was lost');
      return value;
    };
    return {
      ...store,
      create: async (key, data) => {
        const outcome = await store.create(key, data);
        return what === 'create' ? then(outcome) : outcome;
      },
      persist: async (key) => (what === 'persist' ? then(await store.persist(key)) : store.persist(key)),
    };
  };
  const outcome = (run: number, what: 'create' | 'persist') =>
    reportResult(failsOnce(what), { id: newTaskId() }, { ...good, run }, { log: silentLogger, tell: () => {} });
  expect(await outcome(0, 'create')).toBeUndefined();
  expect(await outcome(1, 'persist')).toContain('"stdout":"out"');
});

test('a result that nobody could read again is written as a failure that can be', async () => {
  const { written } = await report({ ...good, run: 1, error: { code: 'command_failed', message: 'x', line: 1e300 } });
  expect(written).toMatchObject({ run: 1, status: 'failed', error: { code: 'backend_error' } });
});
