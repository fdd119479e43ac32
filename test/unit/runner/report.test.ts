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

test('where somebody wrote it before, that one holds', async () => {
  expect((await report({ ...good, stdout: 'another' })).written.stdout).toBe('out');
});

test('a result that nobody could read again is written as a failure that can be', async () => {
  const { written } = await report({ ...good, run: 1, error: { code: 'command_failed', message: 'x', line: 1e300 } });
  expect(written).toMatchObject({ run: 1, status: 'failed', error: { code: 'backend_error' } });
});
