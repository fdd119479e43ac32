import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { connectHttp, connectStdio } from './clients.ts';
import { environment, makeHome, removeHome, runToEnd, startServer, type TestServer } from './server.ts';

const keyA = 'a-key-of-alice-0123456789';
const keyB = 'a-key-of-bob-0123456789012';

async function callTool(server: TestServer, key: string | undefined, tool: string, input: object) {
  const headers: Record<string, string> = { 'Content-Type': 'application/json' };
  if (key !== undefined) headers.Authorization = `Bearer ${key}`;
  const init = { method: 'POST', headers, body: JSON.stringify(input) };
  const answer = await fetch(`${server.url}/v1/tools/${tool}`, init);
  const json = z.record(z.string(), z.unknown()).parse(await answer.json());
  return { status: answer.status, json, challenge: answer.headers.get('www-authenticate') };
}

const python = { language: 'python', code: 'print(1); open("output/a","w").write("x")' };

describe('keys', () => {
  const shared: { server?: TestServer } = {};
  beforeAll(async () => {
    shared.server = await startServer({ env: { RUNYARD_API_KEYS: `alice:${keyA}, bob:${keyB}` } });
  });
  afterAll(() => shared.server?.stop());

  test.each([
    ['no key', undefined],
    ['a wrong key', 'x'.repeat(keyA.length)],
    ['the beginning of a key', keyA.slice(0, -1)],
    ['a key and more', `${keyA}x`],
    ['id and key', `alice:${keyA}`],
  ])('prior B4c D1a E1a: %s gets nothing, over REST and MCP', async (_, key) => {
    const answer = await callTool(shared.server!, key, 'list_tasks', {});
    expect(answer).toMatchObject({ status: 401, json: { code: 'unauthorized' }, challenge: 'Bearer realm="runyard"' });
    await expect(connectHttp('modern', shared.server!.url, key)).rejects.toThrow(/401|authorization/i);
    await expect(connectHttp('old line', shared.server!.url, key)).rejects.toThrow(/401|authorization|credential/i);
  });

  test('no key stands in the log, and no token is left', () => {
    expect(shared.server!.log.join('\n')).not.toMatch(/a-key-of/);
    expect(existsSync(join(shared.server!.home, 'http-token'))).toBe(false);
  });
});

describe('a token on loopback', () => {
  test('T4: is readable by the same user alone, makes HTTP and stdio one owner, and goes with the server', async () => {
    const home = makeHome();
    const server = await startServer({ home });
    const file = join(home, 'http-token');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const { json } = await callTool(server, server.token(), 'execute_code', python);
    const client = await connectStdio('modern', home);
    const { structuredContent } = await client.callTool('list_tasks', {});
    expect(structuredContent).toMatchObject({ tasks: [{ task_id: json.task_id }] });
    await client.close();
    expect((await callTool(server, undefined, 'list_tasks', {})).json.hint).toContain('http-token');
    expect(await server.stop()).toBe(0);
    expect(existsSync(file)).toBe(false);
    removeHome(home);
  });

  test('is left alone by a server that cannot start', async () => {
    const server = await startServer();
    const token = server.token();
    const second = ['serve', '--http', new URL(server.url).host];
    const { exitCode, stderr } = await runToEnd(second, environment(server.home));
    expect({ exitCode, stderr }).toEqual({ exitCode: 2, stderr: expect.stringContaining('EADDRINUSE') });
    expect(server.token()).toBe(token);
    expect((await callTool(server, token, 'list_tasks', {})).status).toBe(200);
    await server.stop();
  });
});

describe('web pages stay out', () => {
  const shared: { server?: TestServer } = {};
  beforeAll(async () => {
    shared.server = await startServer({ env: { RUNYARD_AUTH: 'none' } });
  });
  afterAll(() => shared.server?.stop());

  /** Node's own client: fetch does not let a Host be chosen. */
  const statusFor = (path: string, headers: Record<string, string>) =>
    new Promise<number | undefined>((resolve, reject) => {
      const outgoing = request(shared.server!.url + path, { method: 'POST', headers }, (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      });
      outgoing.once('error', reject);
      outgoing.end('{}');
    });

  test.each(['/v1/tools/list_tasks', '/mcp'])('prior D3a: %s: by Host and by Origin', async (path) => {
    const headers = { 'Content-Type': 'application/json' };
    for (const Host of ['evil.example', '127.0.0.1.evil.example', 'localhost.evil.example:80', '[::2]']) {
      expect(await statusFor(path, { ...headers, Host }), Host).toBe(403);
    }
    for (const Origin of ['http://evil.example', 'null', 'https://127.0.0.1.evil.example', 'file://']) {
      expect(await statusFor(path, { ...headers, Origin }), Origin).toBe(403);
    }
    for (const Host of ['localhost', '127.0.0.1:1', '[::1]:8080']) {
      expect(await statusFor(path, { ...headers, Host, Origin: 'http://localhost:3000' }), Host).not.toBe(403);
    }
  });

  test('without auth callers share what they do, apart from the user on stdio', async () => {
    const { json } = await callTool(shared.server!, undefined, 'execute_code', python);
    expect((await callTool(shared.server!, undefined, 'list_tasks', {})).json).toMatchObject({
      tasks: [{ task_id: json.task_id }],
    });
    const client = await connectStdio('modern', shared.server!.home);
    expect((await client.callTool('list_tasks', {})).structuredContent).toMatchObject({ tasks: [] });
    await client.close();
  });
});

describe('prior B4c D2c: a server that would stand open does not start', () => {
  const home = makeHome();
  afterAll(() => removeHome(home));
  const keyFile = join(home, 'keys');
  mkdirSync(home, { recursive: true });
  writeFileSync(keyFile, '# nobody\n');

  test.each([
    ['others without keys', ['--http', '0.0.0.0:0'], {}, /--api-keys \(RUNYARD_API_KEYS\)/],
    ['others without auth', ['--http', '0.0.0.0:0', '--auth', 'none'], {}, /--auth \(RUNYARD_AUTH\)/],
    [
      'auth none and keys',
      ['--http', '127.0.0.1:0'],
      { RUNYARD_AUTH: 'none', RUNYARD_API_KEYS: `a:${keyA}` },
      /leave one out/,
    ],
    ['a key file without keys', ['--http', '127.0.0.1:0', '--api-keys', `@${keyFile}`], {}, /holds no key/],
    [
      'a key file that is a folder',
      ['--http', '127.0.0.1:0', '--api-keys', `@${home}`],
      {},
      /cannot be read \(EISDIR\)/,
    ],
    ['a key on the command line', ['--http', '127.0.0.1:0', '--api-keys', `a:${keyA}`], {}, /@FILE only/],
  ])('%s', async (_, flags, env, sentence) => {
    const { exitCode, stdout, stderr } = await runToEnd(['serve', ...flags], environment(home, env));
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toMatch(sentence);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stderr).not.toContain(keyA);
  });
});
