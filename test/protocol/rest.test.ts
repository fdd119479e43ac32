import { createHash } from 'node:crypto';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { newTaskId } from '../../src/contracts/ids.ts';
import { startServer, type TestServer } from './server.ts';

const shared: { server?: TestServer; document?: Document } = {};
beforeAll(async () => {
  shared.server = await startServer();
  shared.document = document.parse(await (await fetch(`${shared.server.url}/openapi.json`)).json());
});
afterAll(() => shared.server?.stop());

const response = z.looseObject({ $ref: z.string().optional(), content: z.record(z.string(), z.unknown()).optional() });
const operation = z.looseObject({ operationId: z.string(), responses: z.record(z.string(), response) });
const document = z.looseObject({
  paths: z.record(z.string(), z.looseObject({ get: operation.optional(), post: operation.optional() })),
});
type Document = z.infer<typeof document>;

/** One call, its answer checked against what the document says of this path, method and status. */
async function call(method: 'get' | 'post', path: string, url: string, body?: unknown, headers: object = {}) {
  const answer = await fetch(shared.server!.url + url, {
    method: method.toUpperCase(),
    headers: {
      Authorization: `Bearer ${shared.server!.token()}`,
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const json = z.record(z.string(), z.unknown()).parse(await answer.json());
  checkAgainstDocument(method, path, answer, json);
  return { status: answer.status, json, headers: answer.headers };
}

function checkAgainstDocument(method: 'get' | 'post', path: string, answer: Response, json: unknown): void {
  const responses = shared.document!.paths[path]![method]!.responses;
  const status = String(answer.status);
  const pointer =
    status in responses ? ['paths', path, method, 'responses', status] : ['components', 'responses', 'Problem'];
  const type = answer.headers.get('content-type') ?? '';
  const schema = `openapi.json#/${[...pointer, 'content', type, 'schema'].map(escapePointer).join('/')}`;
  const ajv = new Ajv2020({ strict: false }).addSchema({ ...shared.document, $id: 'openapi.json' });
  const validate = ajv.compile({ $ref: schema });
  expect(validate(json), `${schema}: ${JSON.stringify(validate.errors)}`).toBe(true);
}

const escapePointer = (part: string) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'));

const run = (code: string, more: object = {}) =>
  call('post', '/v1/tools/execute_code', '/v1/tools/execute_code', { language: 'bash', code, ...more });

describe('answers are what the document says', () => {
  test('of a program that succeeds, one that fails, and one that still runs', async () => {
    expect((await run('echo hi; echo x > output/a.txt')).json).toMatchObject({ success: true, stdout: 'hi\n' });
    expect(await run('exit 4')).toMatchObject({ status: 200, json: { success: false, exit_code: 4 } });
    const { json } = await run('sleep 30', { wait_seconds: 0 });
    expect(json).toMatchObject({ hint: expect.stringContaining('get_task_logs') });
    const id = String(json.task_id);
    expect((await call('get', '/v1/tasks/{task_id}', `/v1/tasks/${id}`)).json.task_id).toBe(id);
    const cancelled = await call('post', '/v1/tasks/{task_id}/cancel', `/v1/tasks/${id}/cancel`);
    expect(cancelled.json).toMatchObject({ status: 'cancelled', success: false });
  });

  test('prior E2b: of logs, artifacts and lists', async () => {
    const task_id = String((await run('echo hi; echo x > output/a.txt')).json.task_id);
    const logs = await call('post', '/v1/tools/get_task_logs', '/v1/tools/get_task_logs', { task_id });
    expect(logs.json).toMatchObject({ status: 'succeeded', result: { stdout: 'hi\n' } });
    const read = { task_id, path: 'output/a.txt' };
    expect((await call('post', '/v1/tools/read_artifact', '/v1/tools/read_artifact', read)).json).toMatchObject({
      text: 'x\n',
    });
    const page = await call('get', '/v1/tasks', '/v1/tasks?limit=1');
    expect(page.json).toMatchObject({ tasks: [{ task_id, tool: 'execute_code' }], next_cursor: expect.any(String) });
    const next = await call('get', '/v1/tasks', `/v1/tasks?limit=1&cursor=${page.json.next_cursor}`);
    expect(next.json.tasks).not.toEqual(page.json.tasks);
  });

  test.each([
    ['a wrong field', '/v1/tools/execute_code', { language: 'bash' }, 400, 'invalid_request'],
    ['a task that never was', '/v1/tools/cancel_task', { task_id: newTaskId() }, 404, 'not_found'],
    ['a credential that is missing', '/v1/tools/run_claude_task', { prompt: 'hi' }, 503, 'secret_unavailable'],
  ])('of %s, as a problem with code, detail and hint', async (_, path, body, status, code) => {
    const { json } = await call('post', path, path, body);
    expect(json).toMatchObject({ status, code, type: 'about:blank', hint: expect.stringMatching(/\w/) });
  });

  test('of a query that is wrong', async () => {
    for (const [query, detail] of [
      ['limit=many', /^limit: must be a number/],
      ['limit=101', /^limit: must be at most 100/],
      ['status=lost', /^status: /],
      ['page=2', /^page: unknown parameter/],
    ] as const) {
      expect((await call('get', '/v1/tasks', `/v1/tasks?${query}`)).json.detail).toMatch(detail);
    }
  });
});

test('an artifact is a download that no browser opens', async () => {
  const bytes = 3_000_000;
  const name = 'a b "é".html';
  const { json } = await run(`head -c ${bytes} /dev/zero | tr '\\0' '<' > 'output/${name}'`);
  const path = encodeURIComponent(name);
  const answer = await fetch(`${shared.server!.url}/v1/tasks/${json.task_id}/runs/0/artifacts/output/${path}`, {
    headers: { Authorization: `Bearer ${shared.server!.token()}` },
  });
  expect(answer.status).toBe(200);
  expect(Object.fromEntries(answer.headers)).toMatchObject({
    'content-length': String(bytes),
    'content-disposition': `attachment; filename="a_b____.html"; filename*=UTF-8''${path}`,
    'content-security-policy': "sandbox; default-src 'none'",
    'x-content-type-options': 'nosniff',
  });
  const body = Buffer.from(await answer.arrayBuffer());
  expect(body.length).toBe(bytes);
  expect(json.artifacts).toMatchObject([{ sha256: createHash('sha256').update(body).digest('hex') }]);
});

describe('what there is not', () => {
  const ask = (method: string, path: string, init: object = {}) =>
    fetch(shared.server!.url + path, {
      method,
      headers: { Authorization: `Bearer ${shared.server!.token()}` },
      ...init,
    });

  test.each([
    ['GET', '/', 404],
    ['GET', '/v1/nothing', 404],
    ['POST', '/v1/tools/launch_rocket', 404],
    ['GET', '/v1/tools/execute_code', 405],
    ['DELETE', '/v1/tasks', 405],
    ['POST', '/openapi.json', 405],
    ['GET', '/v1/tasks/nonsense', 400],
    ['GET', '/v1/tasks/%ZZ', 400],
    ['GET', `/v1/tasks/${newTaskId()}/runs/0/artifacts/..%2f..%2fkey`, 404],
    ['GET', `/v1/tasks/../../key`, 404],
  ])('%s %s is %i, as a problem', async (method, path, status) => {
    const answer = await ask(method, path);
    expect(answer.status).toBe(status);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect(answer.headers.has('allow')).toBe(status === 405);
  });

  test('a body that is no JSON by its own word is refused: a web page can send one', async () => {
    const authorization = `Bearer ${shared.server!.token()}`;
    const init = { body: '{}', headers: { authorization, 'content-type': 'text/plain' } };
    expect((await ask('POST', '/v1/tools/list_tasks', init)).status).toBe(415);
  });
});

test('a task with several runs is told the same when it is asked for later', async () => {
  const three = { language: 'bash', code: 'echo $RUNYARD_RUN > output/which; [ $RUNYARD_RUN != 1 ]', runs: 3 };
  const { json } = await call('post', '/v1/tools/execute_code', '/v1/tools/execute_code', three);
  expect(json).toMatchObject({ status: 'failed', runs: [{ run: 0 }, { run: 1 }, { run: 2 }] });
  expect((await call('get', '/v1/tasks/{task_id}', `/v1/tasks/${json.task_id}`)).json).toEqual(json);
});

test('whoever asks learns that it lives, and nothing else', async () => {
  for (const [path, body] of [
    ['/healthz', { status: 'ok' }],
    ['/readyz', { status: 'ready' }],
  ] as const) {
    const answer = await fetch(shared.server!.url + path);
    expect([answer.status, await answer.json()]).toEqual([200, body]);
  }
});

test('the document describes each route that is served, and each operation once', () => {
  const operations = Object.values(shared.document!.paths).flatMap(({ get, post }) => [get, post]);
  const ids = operations.flatMap((each) => (each === undefined ? [] : [each.operationId]));
  expect(new Set(ids).size).toBe(ids.length);
  expect(Object.keys(shared.document!.paths).filter((path) => !path.startsWith('/v1/tools/'))).toEqual([
    '/v1/inputs',
    '/v1/tasks',
    '/v1/tasks/{task_id}',
    '/v1/tasks/{task_id}/events',
    '/v1/tasks/{task_id}/cancel',
    '/v1/tasks/{task_id}/runs/{run}/artifacts/{path}',
    '/openapi.json',
    '/healthz',
    '/readyz',
  ]);
});
