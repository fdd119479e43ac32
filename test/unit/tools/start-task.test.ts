import { expect, onTestFinished, test } from 'vitest';
import type { RunResult, TaskRecord, TaskSpec } from '../../../src/contracts/task.ts';
import { startTask } from '../../../src/tools/start-task.ts';
import { createBench, ended, owner, resultOf } from '../tasks/bench.ts';

const spec: TaskSpec = { kind: 'code', language: 'bash', code: ':', files: [], stdin: '', args: [], env: {} };
const call = { caller: { owner }, signal: new AbortController().signal };

const noWall: Partial<RunResult> = {
  status: 'failed',
  exitCode: null,
  error: { code: 'sandbox_unavailable', message: 'There is no wall.' },
  sandbox: { technology: 'none', network: 'none' },
};

/** A task whose runs all end at its launch, in these ways. */
async function started(...ends: Partial<RunResult>[]) {
  const bench = createBench();
  onTestFinished(() => bench.remove());
  bench.far.launch = async (record: TaskRecord) => {
    for (const [run, end] of ends.entries()) await ended(bench.store, record, resultOf(run, end));
    return { launch: 0 };
  };
  const task = { spec, runs: ends.length, size: 'small', timeoutSeconds: 5 } as const;
  return startTask(task, 10, call, { tasks: bench.tasks });
}

test('where no run had a sandbox the call is refused, and says what to do', async () => {
  for (const ends of [[noWall], [noWall, noWall]]) {
    await expect(started(...ends)).rejects.toMatchObject({
      code: 'sandbox_unavailable',
      message: 'There is no wall.',
      hint: expect.stringContaining('runyard doctor'),
    });
  }
});

test('where one run of several had none, the others are told', async () => {
  const output = await started(noWall, {});
  expect(output).toMatchObject({ status: 'failed', runs: [{ success: false }, { success: true, stdout: 'run 1\n' }] });
});
