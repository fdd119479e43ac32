import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { newTaskId } from '../../src/contracts/ids.ts';
import { contention } from '../bench/load.ts';
import { type AnyClient, connectHttp } from './clients.ts';
import { startServer, type TestServer } from './server.ts';

const MiB = 1024 * 1024;
const python = { language: 'python', code: 'print(1)' };
const file = (path: string, more: object = {}) => ({ ...python, files: [{ path, content: 'x', ...more }] });
const claude = { prompt: 'hi' };
const yearSeconds = 365 * 24 * 3600;

/** Tool, input, and how the answer begins: with the field. */
const table: [what: string, tool: string, input: Record<string, unknown>, field: RegExp][] = [
  ['an unknown language', 'execute_code', { ...python, language: 'cobol' }, /^language: expected one of/],
  ['no language', 'execute_code', { code: '1' }, /^language: is required/],
  ['empty code', 'execute_code', { ...python, code: '' }, /^code: must not be empty/],
  ['code of white space', 'execute_code', { ...python, code: ' \n' }, /^code: must not be empty/],
  ['code over 1 MiB', 'execute_code', { ...python, code: `#${'x'.repeat(MiB)}` }, /^code: is larger than 1 MiB/],
  ['code that is no text', 'execute_code', { ...python, code: 7 }, /^code: expected string/],
  ['code with a lone surrogate', 'execute_code', { ...python, code: '"\ud800"' }, /^code: is not valid Unicode/],
  ['prior E3a: an unknown field', 'execute_code', { ...python, shell: true }, /^shell: unknown field/],
  ['no run at all', 'execute_code', { ...python, runs: 0 }, /^runs: Too small/],
  ['more runs than there may be', 'execute_code', { ...python, runs: 1001 }, /^runs: Too big/],
  ['half a run', 'execute_code', { ...python, runs: 1.5 }, /^runs: expected int/],
  ['a size that is none', 'execute_code', { ...python, size: 'huge' }, /^size: expected one of "small"/],
  [
    'a variable of ours',
    'execute_code',
    { ...python, env: { RUNYARD_RUN: '7' } },
    /^env\.RUNYARD_RUN: is set by Runyard/,
  ],
  ['an unknown field of a file', 'execute_code', file('a', { mode: 7 }), /^files\[0\]\.mode: unknown field/],
  ['a path that climbs out', 'execute_code', file('../a'), /^files\[0\]\.path: must not hold "\.\."/],
  ['a path that climbs inside', 'execute_code', file('a/../b'), /^files\[0\]\.path: must not hold "\.\."/],
  ['an absolute path', 'execute_code', file('/etc/passwd'), /^files\[0\]\.path: must be relative/],
  ['a path with a NUL', 'execute_code', file('a\0b'), /^files\[0\]\.path: holds a NUL/],
  ['a path with an escape', 'execute_code', file('a\u001b[1m'), /^files\[0\]\.path: holds a control character/],
  ['an empty path', 'execute_code', file(''), /^files\[0\]\.path: must not be empty/],
  ['a path that is a directory', 'execute_code', file('a/'), /^files\[0\]\.path: must name a file/],
  ['a very long name', 'execute_code', file('x'.repeat(300)), /^files\[0\]\.path: holds a name longer/],
  ["the program's own file", 'execute_code', file('./main.py'), /^files\[0\]\.path: is where code itself lies/],
  ["a file below the program's own", 'execute_code', file('main.py/a'), /^files\[0\]\.path: is where code itself lies/],
  ['a file in place of output', 'execute_code', file('output'), /^files\[0\]\.path: is a directory/],
  [
    'a duplicate path',
    'execute_code',
    {
      ...python,
      files: [
        { path: 'a', content: '' },
        { path: './a', content: '' },
      ],
    },
    /^files\[1\]\.path: is given twice/,
  ],
  [
    'a file below a file',
    'execute_code',
    {
      ...python,
      files: [
        { path: 'a', content: '' },
        { path: 'a/b', content: '' },
      ],
    },
    /^files\[1\]\.path: lies below another file/,
  ],
  [
    'invalid base64',
    'execute_code',
    file('a', { content: 'a*==', encoding: 'base64' }),
    /^files\[0\]\.content: is not valid base64/,
  ],
  ['an unknown encoding', 'execute_code', file('a', { encoding: 'latin1' }), /^files\[0\]\.encoding: /],
  [
    'files over 8 MiB',
    'execute_code',
    file('a', { content: 'x'.repeat(8 * MiB + 1) }),
    /^files: are larger than 8 MiB/,
  ],
  ['a timeout of zero', 'execute_code', { ...python, timeout_seconds: 0 }, /^timeout_seconds: /],
  ['a timeout of a year', 'execute_code', { ...python, timeout_seconds: yearSeconds }, /^timeout_seconds: /],
  ['a wait of an hour', 'execute_code', { ...python, wait_seconds: 3600 }, /^wait_seconds: /],
  ['an env name with =', 'execute_code', { ...python, env: { 'A=B': '1' } }, /^env\.A=B: is no name/],
  ['an empty env name', 'execute_code', { ...python, env: { '': '1' } }, /^env\.: is no name/],
  ['an env value with a NUL', 'execute_code', { ...python, env: { A: '\0' } }, /^env\.A: holds a NUL/],
  ['an argument with a NUL', 'execute_code', { ...python, args: ['ok', '\0'] }, /^args\[1\]: holds a NUL/],
  ['an argument that is too long', 'execute_code', { ...python, args: ['x'.repeat(200_000)] }, /^args\[0\]: is larger/],
  ['no prompt', 'run_claude_task', {}, /^prompt: is required/],
  ['an empty prompt', 'run_claude_task', { prompt: '' }, /^prompt: must not be empty/],
  ['a model that is an option', 'run_claude_task', { ...claude, model: '--help' }, /^model: is no name/],
  ['a tool that is an option', 'run_claude_task', { ...claude, allowed_tools: ['--x'] }, /^allowed_tools\[0\]: /],
  ['an unknown permission mode', 'run_claude_task', { ...claude, permission_mode: 'yolo' }, /^permission_mode: /],
  ['no turns', 'run_claude_task', { ...claude, max_turns: 0 }, /^max_turns: /],
  ['a glob that climbs', 'run_claude_task', { ...claude, artifacts: ['../*'] }, /^artifacts\[0\]: must not hold/],
  [
    'an empty command',
    'run_claude_task',
    { ...claude, setup_commands: [''] },
    /^setup_commands\[0\]: must not be empty/,
  ],
  [
    'no JSON Schema',
    'run_claude_task',
    { ...claude, output_schema: { type: 'strong' } },
    /^output_schema: is no JSON Schema/,
  ],
  [
    'a remote $ref',
    'run_claude_task',
    { ...claude, output_schema: { $ref: 'https://x.example/s' } },
    /^output_schema: has a \$ref/,
  ],
  [
    'a wrong pattern',
    'run_claude_task',
    { ...claude, output_schema: { pattern: '(' } },
    /^output_schema: has a pattern/,
  ],
  [
    'a huge schema',
    'run_claude_task',
    { ...claude, output_schema: { title: 'x'.repeat(70_000) } },
    /^output_schema: is larger/,
  ],
  ['a deep schema', 'run_claude_task', { ...claude, output_schema: nested(40) }, /^output_schema: is nested deeper/],
  [
    'a bottomless input',
    'run_claude_task',
    { ...claude, output_schema: nested(2_000) },
    /^input: is nested too deeply/,
  ],
  ['what is no task id', 'get_task_logs', { task_id: '../x' }, /^task_id: is not a task id/],
  ['a cursor of another kind', 'get_task_logs', { task_id: newTaskId(), cursor: '' }, /^cursor: /],
  ['too many values', 'execute_code', { ...python, args: new Array(120_000).fill(1) }, /^input: holds more than/],
  ['an artifact that climbs', 'read_artifact', { task_id: newTaskId(), path: '../../key' }, /^path: must not hold/],
  ['an unknown status', 'list_tasks', { status: 'lost' }, /^status: expected one of/],
  [
    'a repository without owner',
    'github_create_issue',
    { repo: 'x', title: 't', body: '' },
    /^repo: is not "owner\/name"/,
  ],
  [
    'prior B4e: a repository that climbs',
    'github_create_issue',
    { repo: 'a/..', title: 't', body: '' },
    /^repo: is not/,
  ],
  ['a title of two lines', 'github_create_issue', { repo: 'a/b', title: 't\nu', body: '' }, /^title: must be one line/],
];

function nested(levels: number): Record<string, unknown> {
  return levels === 0 ? {} : { not: nested(levels - 1) };
}

const shared: { server?: TestServer; client?: AnyClient } = {};
beforeAll(async () => {
  // A credential, so that a wrong task is refused for its own fault.
  shared.server = await startServer({
    env: { ANTHROPIC_API_KEY: 'sk-test', ANTHROPIC_BASE_URL: 'http://127.0.0.1:9' },
  });
  shared.client = await connectHttp('modern', shared.server.url, shared.server.token());
});
afterAll(async () => {
  await shared.client?.close();
  await shared.server?.stop();
});

const problem = z.object({ code: z.string(), detail: z.string(), hint: z.string(), status: z.int() });

async function overRest(tool: string, input: string) {
  const response = await fetch(`${shared.server!.url}/v1/tools/${tool}`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${shared.server!.token()}`, 'Content-Type': 'application/json' },
    body: input,
  });
  const body = problem.parse(await response.json());
  expect(body.status).toBe(response.status);
  return body;
}

describe('what is wrong is refused by the name of its field, over MCP and REST alike', () => {
  test.each(table)('%s', async (_, tool, input, field) => {
    const { isError, content } = await shared.client!.callTool(tool, input);
    expect(isError).toBe(true);
    const [, message = ''] = /^invalid_request: (.*)\n.+/s.exec(content[0]?.text ?? '') ?? [];
    expect(message).toMatch(field);
    expect(await overRest(tool, JSON.stringify(input))).toMatchObject({
      status: 400,
      code: 'invalid_request',
      detail: message,
    });
  });
});

test('several faults are told at once', async () => {
  const { content } = await shared.client!.callTool('execute_code', { code: '', timeout_seconds: 0, x: 1 });
  expect(content[0]?.text).toMatch(/language: .*; code: .*; timeout_seconds: .*; x: unknown field/);
});

test.each(['get_task_logs', 'cancel_task'])('%s of a task that never was says so', async (tool) => {
  const task_id = newTaskId();
  const { isError, content } = await shared.client!.callTool(tool, { task_id });
  expect(isError).toBe(true);
  expect(content[0]?.text).toMatch(new RegExp(`^not_found: .*${task_id}`));
  expect(await overRest(tool, JSON.stringify({ task_id }))).toMatchObject({ status: 404, code: 'not_found' });
});

test.each([
  ['no JSON', '{', 400, /^body: is not valid JSON/],
  ['a list', '[]', 400, /^input: expected object/],
  ['millions of values', `[${'[],'.repeat(2_000_000)}1]`, 400, /^body: holds more than/],
  ['more than 16 MiB', `{"code":"${'x'.repeat(17 * MiB)}"}`, 413, /^body: is larger than 16 MiB/],
])('a body that is %s is refused', async (_, body, status, detail) => {
  expect(await overRest('execute_code', body)).toMatchObject({
    status,
    code: 'invalid_request',
    detail: expect.stringMatching(detail),
  });
});

test('a message of millions of values is refused before the protocol looks at them', async () => {
  const clientInfo = { name: 'x', version: '1', icons: new Array(2_000_000).fill(1) };
  const params = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo };
  const busy = contention();
  const startedAtMs = performance.now();
  const response = await fetch(`${shared.server!.url}/mcp`, {
    method: 'POST',
    headers: {
      Authorization: `Bearer ${shared.server!.token()}`,
      'Content-Type': 'application/json',
      Accept: 'application/json, text/event-stream',
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params }),
  });
  expect(await response.json()).toMatchObject({ error: { code: -32600, message: expect.stringMatching(/values$/) } });
  expect(response.status).toBe(400);
  expect(performance.now() - startedAtMs).toBeLessThan(3_000 * Math.max(busy, contention()));
});

test('and nothing of all this was started', async () => {
  const { structuredContent } = await shared.client!.callTool('list_tasks', {});
  expect(structuredContent).toEqual({ tasks: [], next_cursor: null });
});
