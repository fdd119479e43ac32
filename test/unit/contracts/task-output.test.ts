import { describe, expect, test } from 'vitest';
import { newTaskId } from '../../../src/contracts/ids.ts';
import type { RunResult, TaskRecord } from '../../../src/contracts/task.ts';
import { claudeOutput, codeOutput, taskOutput } from '../../../src/contracts/task-output.ts';

const id = newTaskId();
const record = (kind: TaskRecord['kind']): TaskRecord => ({
  id,
  kind,
  owner: 'local:1',
  backend: 'local',
  runs: 1,
  size: 'small',
  timeoutSeconds: 60,
  createdAt: '2026-11-21T00:00:00.000Z',
});

const result: RunResult = {
  run: 0,
  status: 'failed',
  exitCode: null,
  error: { code: 'command_failed', message: 'it \u001b[1mfailed' },
  stdout: 'out\u0007',
  stderr: '',
  truncated: true,
  artifacts: [{ path: 'output/ä b.txt', sizeBytes: 1, sha256: 'aa', mimeType: 'text/plain', text: 'x\r\n' }],
  startedAt: '2026-11-21T00:00:00.000Z',
  durationMs: 12.5,
  sandbox: { technology: 'bubblewrap', network: 'none' },
};

test.each(['queued', 'running'] as const)('%s: id, status, and how to follow it', (status) => {
  const output = taskOutput({ record: record('code'), status, runsEnded: 0 });
  expect(output).toEqual({ task_id: id, status, hint: expect.stringContaining(`${id} `) });
  expect(output.hint).toContain('get_task_logs');
});

test('code that has ended: everything, cleaned', () => {
  const output = taskOutput({ record: record('code'), status: 'failed', runsEnded: 1, result });
  expect(codeOutput.strict().parse(output)).toEqual({
    task_id: id,
    status: 'failed',
    success: false,
    exit_code: null,
    stdout: 'out',
    stderr: '',
    error: { code: 'command_failed', message: 'it failed' },
    artifacts: [
      {
        path: 'output/ä b.txt',
        size_bytes: 1,
        sha256: 'aa',
        mime_type: 'text/plain',
        uri: `runyard://tasks/${id}/runs/0/artifacts/output/%C3%A4%20b.txt`,
        text: 'x\n',
      },
    ],
    duration_ms: 12.5,
    truncated: true,
    sandbox: { technology: 'bubblewrap', network: 'none' },
  });
});

test('texts of artifacts stand in an output until 64 KiB are full', () => {
  const [artifact] = result.artifacts;
  const artifacts = Array.from({ length: 20 }, (_, i) => ({
    ...artifact!,
    path: `output/${i}`,
    text: 'x'.repeat(8192),
  }));
  const output = taskOutput({
    record: record('code'),
    status: 'failed',
    runsEnded: 1,
    result: { ...result, artifacts },
  });
  expect(output.artifacts?.map(({ text }) => text?.length)).toEqual([
    ...Array(8).fill(8192),
    ...Array(12).fill(undefined),
  ]);
});

describe('a Claude task that has ended', () => {
  const view = (claude: RunResult['claude']) => ({
    record: record('claude'),
    status: 'succeeded' as const,
    runsEnded: 1,
    result: { ...result, status: 'succeeded' as const, ...(claude === undefined ? {} : { claude }) },
  });
  const usage = { inputTokens: 1, outputTokens: 2, cacheCreationInputTokens: 3, cacheReadInputTokens: 4 };

  test('tells all that Claude said and cost', () => {
    const claude = {
      response: 'done',
      structuredOutput: { a: '\u0007' },
      numTurns: 2,
      usage,
      costUsd: 0.1,
      permissionDenials: [{ t: 'x' }],
      sessionId: 's',
    };
    expect(claudeOutput.strict().parse(taskOutput(view(claude)))).toMatchObject({
      success: true,
      response: 'done',
      structured_output: { a: '' },
      num_turns: 2,
      usage: { input_tokens: 1, output_tokens: 2, cache_creation_input_tokens: 3, cache_read_input_tokens: 4 },
      cost_usd: 0.1,
      permission_denials: [{ t: 'x' }],
      session_id: 's',
    });
  });

  test('has its fields also where Claude never began', () => {
    expect(taskOutput(view(undefined))).toMatchObject({
      response: '',
      num_turns: 0,
      cost_usd: null,
      permission_denials: [],
    });
  });
});
