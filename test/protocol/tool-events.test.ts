import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { startServer, type TestServer } from './server.ts';
import { allOf, openEvents, type SentEvents } from './sse.ts';

/** `POST /v1/tools/{tool}` answered with events. */

const shared: { server?: TestServer } = {};
beforeAll(async () => {
  shared.server = await startServer();
});
afterAll(() => shared.server?.stop());

function call(tool: string, input: object, headers: Record<string, string> = {}): Promise<SentEvents> {
  return openEvents(`${shared.server!.url}/v1/tools/${tool}`, {
    method: 'POST',
    body: JSON.stringify(input),
    headers: { Authorization: `Bearer ${shared.server!.token()}`, 'Content-Type': 'application/json', ...headers },
  });
}

const run = (code: string, more: object = {}) => call('execute_code', { language: 'bash', code, ...more });

test('a call that waits tells that it is alive, and at the end the whole output', async () => {
  const answer = await run('sleep 11; echo done');
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
  const told = await allOf(answer);
  const progress = { progress: expect.any(Number), message: expect.stringMatching(/: waiting for 1\d s$/) };
  expect(told[0]).toEqual({ event: 'progress', id: undefined, data: progress });
  expect(told.at(-1)).toMatchObject({
    event: 'result',
    data: { status: 'succeeded', stdout: 'done\n', artifacts: [] },
  });
});

test.each([
  ['text/event-stream', true],
  ['Text/Event-Stream; charset=utf-8, */*', true],
  ['application/json;q=0.5, text/event-stream;q=0.9', true],
  ['application/json, text/event-stream', false],
  ['text/event-stream;q=0', false],
  ['text/event-stream;q=high', false],
  ['application/json', false],
  ['*/*', false],
])('Accept: %s', async (accept, asEvents) => {
  const { status, headers } = await call('list_tasks', {}, { Accept: accept });
  const type = asEvents ? 'text/event-stream' : 'application/json';
  expect([status, headers.get('content-type')]).toEqual([200, type]);
});

test('what is refused at once is a problem, with its own status', async () => {
  for (const [tool, input, status] of [
    ['execute_code', { language: 'bash' }, 400],
    ['launch_rocket', {}, 404],
    ['run_claude_task', { prompt: 'hi' }, 503],
  ] as const) {
    const answer = await call(tool, input);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([status, 'application/problem+json']);
  }
});

test('what fails while it is waited for is told by an event, as the problem that it is', async () => {
  const [first] = await allOf(await run('sleep 20; echo late', { wait_seconds: 0 }));
  const task_id = z.string().parse(first?.data.task_id);
  expect(first).toMatchObject({ event: 'result', data: { hint: expect.stringContaining('get_task_logs') } });
  const answer = await call('get_task_logs', { task_id, cursor: 'start', stream: 'stdout', wait_seconds: 60 });
  rmSync(join(shared.server!.home, 'store/tasks', task_id, 'task.json'));
  const told = await allOf(answer);
  expect(told[0]).toMatchObject({ event: 'progress' });
  expect(told.at(-1)).toMatchObject({ event: 'error', data: { status: 404, code: 'not_found', type: 'about:blank' } });
});
