import { expect, test } from 'vitest';
import type { WallEnd } from '../../src/contracts/sandbox.ts';
import type { ClaudeSpec, TaskRecord } from '../../src/contracts/task.ts';
import { resultLine } from '../../src/runner/claude/stream.ts';
import { type Evidence, verdictOn } from '../../src/runner/claude/verdict.ts';

const spec: ClaudeSpec = {
  kind: 'claude',
  prompt: 'x',
  permissionMode: 'bypassPermissions',
  files: [],
  env: {},
  setupCommands: [],
  artifacts: [],
  endpoint: { baseUrl: 'http://127.0.0.1:1', credential: { kind: 'api_key', value: 'x' } },
};
const task: TaskRecord = {
  id: 'task_x',
  kind: 'claude',
  owner: 'local:0',
  backend: 'local',
  runs: 1,
  size: 'small',
  timeoutSeconds: 60,
  createdAt: '2026-11-21T00:00:00.000Z',
};
const end: WallEnd = { cause: 'exited', exitCode: 0, lastStep: 0, durationMs: 1 };
const told = (fields: Record<string, unknown> = {}) =>
  resultLine.parse({ type: 'result', subtype: 'success', is_error: false, result: 'Done', ...fields });

function judge(evidence: Partial<Evidence>) {
  return verdictOn({
    spec,
    task,
    end,
    results: [told()],
    delivered: ['I look.', 'Done'],
    lastFailure: undefined,
    stderr: '',
    ...evidence,
  });
}

test('exit 0, one result, delivered: succeeded', async () => {
  expect(await judge({})).toMatchObject({ status: 'succeeded', answer: { response: 'Done' } });
});

test.for<[string, Partial<Evidence>, string, string]>([
  ['T1: two results', { results: [told(), told()] }, 'model_error', 'more than one result'],
  ['T1: a second one that cannot be read', { results: [told(), undefined] }, 'model_error', 'more than one result'],
  ['T1: an answer the gateway never delivered', { delivered: ['Other'] }, 'model_error', 'none that the model gave'],
  [
    'T1: an empty answer without any message',
    { results: [told({ result: '' })], delivered: [] },
    'model_error',
    'none',
  ],
  [
    'T1: a structured answer the gateway never delivered',
    { results: [told({ structured_output: { a: 1 } })] },
    'model_error',
    'none that the model gave',
  ],
  ['no result, the endpoint failing', { results: [], lastFailure: 'It answered 500.' }, 'model_error', '500'],
  [
    'no claude',
    { results: [], end: { ...end, exitCode: 127 }, stderr: 'sh: 5: exec: /runyard/bin/claude: not found' },
    'sandbox_unavailable',
    'RUNYARD_CLAUDE_PATH',
  ],
  ['no result', { results: [], stderr: 'x\nerror: bad \x1b[31mflag\n' }, 'command_failed', 'error: bad flag'],
  [
    'prior A10b D6e: an error result',
    { results: [told({ is_error: true })], lastFailure: 'It answered 401.' },
    'model_error',
    '401',
  ],
  [
    'too many turns',
    { results: [told({ is_error: true, subtype: 'error_max_turns' })], spec: { ...spec, maxTurns: 7 } },
    'max_turns',
    '7 turns',
  ],
  ['prior A3a: a result and a bad exit', { end: { ...end, exitCode: 137 } }, 'command_failed', '137'],
  [
    'a setup command',
    { end: { ...end, exitCode: 3, lastStep: 1 }, spec: { ...spec, setupCommands: ['true', 'make  it'] }, results: [] },
    'command_failed',
    '`make it` ended with exit 3',
  ],
  ['no structured output', { spec: { ...spec, outputSchema: {} } }, 'output_invalid', 'no structured output'],
  [
    'time, naming the endpoint',
    { end: { ...end, cause: 'timed_out' }, lastFailure: 'It answered 529.' },
    'timed_out',
    '529',
  ],
  ['memory', { end: { ...end, cause: 'out_of_memory', exitCode: null } }, 'out_of_memory', 'memory'],
])('%s', async ([, evidence, code, words]) => {
  const verdict = await judge(evidence);
  expect(verdict.status).not.toBe('succeeded');
  expect(verdict.error).toEqual({ code, message: expect.stringContaining(words) });
  expect(verdict.answer?.response ?? 'Done').toBe('Done');
  if (code === 'model_error') expect(verdict.answer).toBeUndefined();
});

test('a structured answer is taken however it is spelled, and judged by the whole schema', async () => {
  const results = [told({ result: '{"a":1}', structured_output: { a: 1 } })];
  const delivered = ['{ "a": 1.0 }'];
  const fits = await judge({ results, delivered, spec: { ...spec, outputSchema: { type: 'object' } } });
  expect(fits).toMatchObject({ status: 'succeeded', answer: { structuredOutput: { a: 1 } } });
  const outputSchema = { $schema: 'https://json-schema.org/draft/2020-12/schema', dependentRequired: { a: ['b'] } };
  const bad = await judge({ results, delivered, spec: { ...spec, outputSchema } });
  expect(bad.error).toEqual({ code: 'output_invalid', message: expect.stringContaining('must have property b') });
});
