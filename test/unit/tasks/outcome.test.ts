import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Artifact } from '../../../src/contracts/artifact.ts';
import { keys } from '../../../src/contracts/keys.ts';
import type { RunResult, TaskRecord } from '../../../src/contracts/task.ts';
import { claudeOutput, codeOutput, taskOutput } from '../../../src/contracts/task-output.ts';
import { type Bench, createBench, ended, launchedTask, owner, resultOf } from './bench.ts';

/** What several runs come to, from results in the store to the output that a caller reads. */

let bench: Bench;
beforeAll(() => {
  bench = createBench();
});
afterAll(() => bench.remove());

async function taskOf(kind: TaskRecord['kind'], results: readonly RunResult[]) {
  const record = await launchedTask(bench.store, { kind, runs: results.length });
  for (const result of results.toReversed()) await ended(bench.store, record, result);
  return record;
}

const look = (record: TaskRecord) => bench.tasks.look(record.id, { owner });

const outputOf = async (record: TaskRecord) => {
  const output = taskOutput(await look(record));
  // What is advertised is what comes.
  return (record.kind === 'code' ? codeOutput : claudeOutput).strict().parse(output);
};

const failed = (run: number, message: string): RunResult =>
  resultOf(run, {
    status: 'failed',
    exitCode: 1,
    stdout: 'half\n',
    error: { code: 'command_failed', type: 'ValueError', message, line: 3 },
  });

test('the runs of code stand in order, and the fields of all say what they came to together', async () => {
  const record = await taskOf('code', [
    resultOf(0, { startedAt: '2026-11-21T00:00:00.000Z', durationMs: 1000 }),
    { ...failed(1, 'no'), startedAt: '2026-11-21T00:00:01.000Z', durationMs: 3000 },
    resultOf(2, { startedAt: '2026-11-21T00:00:00.500Z', durationMs: 100 }),
  ]);
  const error = { code: 'command_failed', type: 'ValueError', line: 3 };
  expect(await outputOf(record)).toEqual({
    task_id: record.id,
    status: 'failed',
    success: false,
    error: { ...error, message: 'Run 1: no' },
    artifacts: [],
    duration_ms: 4000,
    sandbox: { technology: 'bubblewrap', network: 'none' },
    runs: [
      { run: 0, status: 'succeeded', success: true, exit_code: 0, stdout: 'run 0\n' },
      { run: 1, status: 'failed', success: false, exit_code: 1, stdout: 'half\n', error: { ...error, message: 'no' } },
      { run: 2, status: 'succeeded', success: true, exit_code: 0, stdout: 'run 2\n' },
    ],
  });
});

describe('a Claude task', () => {
  const usage = { inputTokens: 1, outputTokens: 2, cacheCreationInputTokens: 3, cacheReadInputTokens: 4 };
  const said = (run: number, costUsd: number | null) =>
    resultOf(run, {
      claude: { response: `done ${run}`, numTurns: 1, usage, costUsd, permissionDenials: [], sessionId: 's' },
    });

  test('sums what its runs used and cost', async () => {
    const output = await outputOf(await taskOf('claude', [said(0, 0.25), said(1, 0.5)]));
    expect(output).toMatchObject({
      success: true,
      cost_usd: 0.75,
      usage: { input_tokens: 2, output_tokens: 4, cache_creation_input_tokens: 6, cache_read_input_tokens: 8 },
      runs: [
        { run: 0, cost_usd: 0.25, response: 'done 0' },
        { run: 1, cost_usd: 0.5, response: 'done 1' },
      ],
    });
    expect(output).not.toHaveProperty('response');
  });

  test.each([
    ['no price is known', said(1, null)],
    ['nobody knows what it cost', failed(1, 'the runner was lost')],
  ])('of which one run has a cost that is not known, for %s, has none in all', async (_, unknown) => {
    const output = await outputOf(await taskOf('claude', [said(0, 0.25), unknown]));
    expect(output).toMatchObject({ cost_usd: null, runs: [{ cost_usd: 0.25 }, { cost_usd: null }] });
  });
});

describe('a thousand runs', () => {
  test('that say much are cut to 64 KiB together; a short one loses nothing to a long one', async () => {
    const long = (run: number) => resultOf(run, { stdout: `begin ${run} ${'€'.repeat(10_000)} end ${run}` });
    const results = Array.from({ length: 1000 }, (_, run) => (run % 10 === 0 ? long(run) : resultOf(run)));
    const { runs = [] } = codeOutput.parse(await outputOf(await taskOf('code', results)));
    expect(runs.map(({ run }) => run)).toEqual(Array.from({ length: 1000 }, (_, run) => run));
    const sizes = runs.map(({ stdout }) => Buffer.byteLength(stdout));
    expect(Math.max(...sizes)).toBeLessThanOrEqual(1024);
    expect(sizes.reduce((sum, size) => sum + size)).toBeLessThanOrEqual(64 * 1024);
    expect(runs[7]?.stdout).toBe('run 7\n');
    expect(runs[10]?.stdout).toMatch(/^begin 10 €*\[\.\.\. \d+ bytes \.\.\.\]€* end 10$/);
  });

  test('that all fail with long words of their own make no endless output', async () => {
    const results = Array.from({ length: 1000 }, (_, run) => ({
      ...failed(run, 'm'.repeat(30_000)),
      error: { code: 'command_failed' as const, type: 'T'.repeat(30_000), message: 'm'.repeat(30_000) },
    }));
    const output = await outputOf(await taskOf('code', results));
    expect(JSON.stringify(output).length).toBeLessThan(600_000);
  });

  test('are read once: whoever looks later reads two small objects', async () => {
    const record = await taskOf(
      'code',
      Array.from({ length: 1000 }, (_, run) => resultOf(run)),
    );
    const first = await look(record);
    bench.asked.length = 0;
    expect(await look(record)).toEqual(first);
    expect(bench.asked.map(({ what, key }) => `${what} ${key}`)).toEqual([
      `read ${keys.record(record.id)}`,
      `read ${keys.end(record.id)}`,
      `read ${keys.outcome(record.id)}`,
    ]);
  });
});

describe('artifacts', () => {
  const artifact = (path: string): Artifact => ({
    path,
    sizeBytes: 1,
    sha256: 'aa',
    mimeType: 'text/plain',
    text: 'x',
  });

  test('those of every run are listed with their run and uri, without their texts', async () => {
    const record = await taskOf('code', [
      resultOf(0, { artifacts: [artifact('output/a'), artifact('output/b')] }),
      resultOf(1, { artifacts: [artifact('output/a')] }),
    ]);
    const { artifacts } = await outputOf(record);
    expect(artifacts?.map(({ run, path, uri }) => ({ run, path, uri }))).toEqual(
      [
        { run: 0, path: 'output/a' },
        { run: 0, path: 'output/b' },
        { run: 1, path: 'output/a' },
      ].map((each) => ({ ...each, uri: `runyard://tasks/${record.id}/runs/${each.run}/artifacts/${each.path}` })),
    );
    expect(artifacts?.every((each) => !('text' in each))).toBe(true);
  });

  test('a run that leaves a thousand files leaves room for the others, and the rest is counted', async () => {
    const many = Array.from({ length: 1000 }, (_, n) => artifact(`output/${String(n).padStart(4, '0')}.txt`));
    const record = await taskOf('code', [
      resultOf(0, { artifacts: many }),
      resultOf(1, { artifacts: [artifact('output/only.txt')] }),
    ]);
    const { artifacts = [], artifacts_left_out = 0 } = await outputOf(record);
    expect(artifacts.at(-1)).toMatchObject({ run: 1, path: 'output/only.txt' });
    expect(artifacts.length + artifacts_left_out).toBe(1001);
    expect(JSON.stringify(artifacts).length).toBeLessThan(70_000);
  });
});

test('a result that is no JSON is told as what it is', async () => {
  const record = await taskOf('code', [resultOf(0), resultOf(1)]);
  const spoilt = keys.result(record.id, 1);
  await bench.store.remove(spoilt);
  await bench.store.create(spoilt, 'no JSON');
  await expect(look(record)).rejects.toMatchObject({ code: 'backend_error', message: expect.stringContaining(spoilt) });
});
