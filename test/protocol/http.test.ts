import { once } from 'node:events';
import { readdirSync, statSync, truncateSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { connectHttp } from './clients.ts';
import { startServer, type TestServer } from './server.ts';

/** What HTTP brings along: connections that stay, break off or say nothing, and headers that nobody asked for. */

const shared: { server?: TestServer } = {};
beforeAll(async () => {
  shared.server = await startServer();
});
afterAll(() => shared.server?.stop());
const server = () => shared.server!;

const json = { 'Content-Type': 'application/json' };
const bearer = () => ({ Authorization: `Bearer ${server().token()}` });
const execute = '/v1/tools/execute_code';

async function post(path: string, body: object, headers: Record<string, string> = {}) {
  const init = { method: 'POST', headers: { ...json, ...bearer(), ...headers }, body: JSON.stringify(body) };
  const answer = await fetch(server().url + path, init);
  return z.record(z.string(), z.unknown()).parse(await answer.json());
}

// The two that wait for most of their time wait at once.

test.concurrent('prior A1a: a call whose request was read whole goes on: it is told of while it waits, and answered at its end', async () => {
  const client = await connectHttp('modern', server().url, server().token());
  const told: string[] = [];
  const { structuredContent } = await client.callTool(
    'execute_code',
    { language: 'bash', code: 'sleep 11; echo done', wait_seconds: 40 },
    { onprogress: ({ message = '' }) => told.push(message) },
  );
  await client.close();
  expect(structuredContent).toMatchObject({ status: 'succeeded', stdout: 'done\n' });
  expect(told).toEqual([expect.stringContaining('waiting for 10 s')]);
  expect(await post(execute, { language: 'bash', code: 'sleep 1; echo over REST' })).toMatchObject({
    ...{ status: 'succeeded', stdout: 'over REST\n' },
  });
});

test.concurrent('prior D6h: open connections hold up no end', async ({ onTestFinished }) => {
  const other = await startServer();
  const port = Number(new URL(other.url).port);
  const sockets = await Promise.all(
    [
      '',
      'GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n',
      'GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n',
      `POST ${execute} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${other.token()}\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{`,
    ].map(async (begun) => {
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => {});
      await once(socket, 'connect');
      socket.write(begun);
      return socket;
    }),
  );
  onTestFinished(() => sockets.forEach((socket) => void socket.destroy()));
  // Whoever was answered after them has been read after them.
  await fetch(`${other.url}/healthz`);
  const stoppedAtMs = performance.now();
  expect(await other.stop()).toBe(0);
  expect(performance.now() - stoppedAtMs).toBeLessThan(20_000);
});

test('prior D1a: on a connection on which a key was shown nobody is served without one, and nothing is started', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  onTestFinished(() => agent.destroy());
  const ports = new Set<number | undefined>();
  const status = (headers: Record<string, string>, path: string, body: string) =>
    new Promise<number | undefined>((resolve, reject) => {
      const outgoing = request(server().url + path, { method: 'POST', agent, headers }, (answer) => {
        answer.resume().once('end', () => resolve(answer.statusCode));
      });
      outgoing.once('socket', (socket: Socket) => socket.once('connect', () => ports.add(socket.localPort)));
      outgoing.once('error', reject);
      outgoing.end(body);
    });
  const program = JSON.stringify({ language: 'bash', code: 'true' });
  const before = await post('/v1/tools/list_tasks', {});
  expect(await status({ ...json, ...bearer() }, '/v1/tools/list_tasks', '{}')).toBe(200);
  expect(await status(json, execute, program)).toBe(401);
  expect(ports.size).toBe(1);
  expect(await status({ ...json, Cookie: 'sid=x' }, execute, program)).toBe(401);
  expect(await status({ ...json, Authorization: 'Bearer x' }, '/mcp', '{}')).toBe(401);
  expect(await post('/v1/tools/list_tasks', {})).toEqual(before);
});

test('prior E1b: no header says who the caller is or what a task is called', async () => {
  const id = 'task_01890a5d-ac96-774b-bcce-b302099a8057';
  const headers = Object.fromEntries(
    ['ce-id', 'x-request-id', 'x-execution-id', 'idempotency-key'].map((name) => [name, id]),
  );
  const owner = { 'ce-source': 'key:bob', 'x-forwarded-user': 'key:bob', 'x-owner': 'key:bob' };
  const body = { language: 'bash', code: 'echo once' };
  const [first, second] = [
    await post(execute, body, { ...headers, ...owner }),
    await post(execute, body, { ...headers, ...owner }),
  ];
  expect(new Set([first.task_id, second.task_id, id]).size).toBe(3);
  const { tasks } = z
    .object({ tasks: z.array(z.looseObject({ task_id: z.string() })) })
    .parse(await post('/v1/tools/list_tasks', { limit: 2 }));
  expect(tasks.map(({ task_id }) => task_id).sort()).toEqual([first.task_id, second.task_id].sort());
});

test('prior E2a: a download that cannot be had to its end is broken off, and never looks whole', async () => {
  const bytes = 3 * 1024 ** 2;
  const { task_id } = await post(execute, { language: 'bash', code: `head -c ${bytes} /dev/zero > output/a` });
  const url = `${server().url}/v1/tasks/${task_id}/runs/0/artifacts/output/a`;
  const download = async () => {
    const answer = await fetch(url, { headers: bearer(), signal: AbortSignal.timeout(20_000) });
    return (await answer.arrayBuffer()).byteLength;
  };
  expect(await download()).toBe(bytes);
  const store = join(server().home, 'store');
  const [kept] = readdirSync(store, { recursive: true, encoding: 'utf8' })
    .map((path) => join(store, path))
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.size === bytes);
  truncateSync(kept!, 1024 ** 2);
  await expect(download()).rejects.toThrow('terminated');
  await expect.poll(() => server().log.join('\n')).toContain(`The store has only ${1024 ** 2} bytes of output/a.`);
});

test.each([
  ['a call', 'POST', execute, json, 413],
  ['a call of known length', 'POST', execute, { ...json, 'Content-Length': '20971520' }, 413],
  ['a message of known length', 'POST', '/mcp', { ...json, 'Content-Length': '20971520' }, 413],
  ['a broken archive', 'PUT', '/v1/inputs', { 'Content-Type': 'application/x-tar' }, 400],
  ['an archive without a key', 'PUT', '/v1/inputs', { Authorization: 'Bearer x' }, 401],
] as const)('whoever still sends %s of 20 MiB reads the refusal', async (_, method, path, headers, status) => {
  const body = Buffer.alloc(20 * 1024 ** 2, 'x');
  const statusOf = () =>
    new Promise<number | undefined>((resolve, reject) => {
      const outgoing = request(server().url + path, { method, headers: { ...bearer(), ...headers } }, (answer) => {
        answer.resume().once('end', () => resolve(answer.statusCode));
      });
      outgoing.once('error', reject);
      // A piece at a time, so that the answer comes in the middle.
      Readable.from(piecesOf(body)).pipe(outgoing);
    });
  for (let time = 0; time < 10; time += 1) expect(await statusOf()).toBe(status);
});

function* piecesOf(body: Buffer): Generator<Buffer> {
  const bytes = 64 * 1024;
  for (let at = 0; at < body.length; at += bytes) yield body.subarray(at, at + bytes);
}

test('a client that leaves in the middle of its request is no error of the server', async () => {
  const seen = server().log.length;
  const headers = { ...json, ...bearer(), 'Content-Length': '1000' };
  const outgoing = request(server().url + execute, { method: 'POST', headers });
  outgoing.on('error', () => {});
  outgoing.write('{');
  await once(outgoing, 'socket');
  await new Promise((resolve) => setTimeout(resolve, 200));
  outgoing.destroy();
  await expect.poll(() => server().log.slice(seen).join('\n')).toContain('A client left before it was answered');
  expect(server().log.slice(seen).join('\n')).not.toMatch(/"level":[45]0/);
});
