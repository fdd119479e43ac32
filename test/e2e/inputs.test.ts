import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { tarOf } from '../contract/inputs-bench.ts';
import { type ModelServer, say, startModelServer, toolResults, useBash } from '../fakes/model-server.ts';
import { makeHome, removeHome, startServer, type TestServer } from '../protocol/server.ts';

const key = 'sk-ant-the-key-of-the-server';

describe('inputs of a Claude task', () => {
  const home = makeHome();
  const roots = mkdtempSync(join(tmpdir(), 'runyard-roots-'));
  let model: ModelServer;
  let server: TestServer;

  beforeAll(async () => {
    mkdirSync(join(roots, 'project/src'), { recursive: true });
    writeFileSync(join(roots, 'project/src/a b.txt'), 'of the folder\n');
    writeFileSync(join(roots, 'project/run.sh'), '#!/bin/sh\necho ran\n', { mode: 0o755 });
    symlinkSync('run.sh', join(roots, 'project/link'));
    writeFileSync(join(roots, 'one.csv'), 'x,y\n');
    model = await startModelServer(
      ({ body, turn }) => (turn === 0 ? useBash(look) : say(toolResults(body).join('\n'))),
      { key },
    );
    server = await startServer({
      home,
      env: { ANTHROPIC_API_KEY: key, ANTHROPIC_BASE_URL: model.url, RUNYARD_INPUT_ROOTS: roots, HOME: home },
    });
  });
  afterAll(async () => {
    await server.stop();
    await model.close();
    removeHome(home);
    rmSync(roots, { recursive: true, force: true });
  });

  const look =
    '(cd input && find . | sort && cat "project/src/a b.txt" sent/dir/f one.csv && project/link && ls -A .. && id -u)';

  const rest = async (method: string, path: string, body: string | Buffer, type: string) => {
    const response = await fetch(`${server.url}${path}`, {
      method,
      body: typeof body === 'string' ? body : new Uint8Array(body),
      headers: { authorization: `Bearer ${server.token()}`, 'content-type': type },
    });
    return { status: response.status, body: z.record(z.string(), z.unknown()).parse(await response.json()) };
  };
  const run = (inputs: { name: string; from: string }[]) =>
    rest(
      'POST',
      '/v1/tools/run_claude_task',
      JSON.stringify({ prompt: 'look', inputs, wait_seconds: 60, timeout_seconds: 60 }),
      'application/json',
    );

  test('prior C4d: lie below input/ under their names, and nothing of how they came there', async () => {
    const tar = await tarOf({ name: 'dir/f' });
    const sent = await rest('PUT', '/v1/inputs', tar, 'application/x-tar');
    expect(sent).toEqual({ status: 201, body: { from: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) } });
    expect((await rest('PUT', '/v1/inputs', tar, 'application/x-tar')).status).toBe(200);
    const { body } = await run([
      { name: 'project', from: join(roots, 'project') },
      { name: 'sent', from: String(sent.body.from) },
      { name: 'one.csv', from: join(roots, 'one.csv') },
    ]);
    expect(body).toMatchObject({ status: 'succeeded' });
    const [files, inside] = String(body.response).split('of the folder\n');
    expect(files?.trim().split('\n')).toEqual([
      '.',
      './one.csv',
      './project',
      './project/link',
      './project/run.sh',
      './project/src',
      './project/src/a b.txt',
      './sent',
      './sent/dir',
      './sent/dir/f',
    ]);
    expect(inside).toMatch(/^textx,y\nran\n/);
    expect(inside?.split('ran\n')[1]?.trim().split('\n').slice(0, -1)).toEqual(['input', 'output']);
  });

  test.for([
    ['an unknown hash', `sha256:${'0'.repeat(64)}`, 404, /^inputs\[0\]\.from: There is no input/],
    ['a folder outside of the roots', '/etc', 403, /^inputs\[0\]\.from: \/etc is not below/],
    ['the folder of our own key', home, 403, /^inputs\[0\]\.from: /],
    ['a private address', 'https://169.254.169.254/x.tar', 403, /^inputs\[0\]\.from: .*may not be reached/],
  ] as const)('%s is refused before anything starts', async ([, from, status, detail]) => {
    const answer = await run([{ name: 'a', from: from === home ? home : from }]);
    expect(answer.status).toBe(status);
    expect(answer.body.detail).toMatch(detail);
  });

  test.for([
    ['a name that climbs', [{ name: '../a', from: 'sha256:x' }], /inputs\[0\]\.name/],
    [
      'a name twice',
      [
        { name: 'a', from: 'x' },
        { name: 'a', from: 'x' },
      ],
      /inputs: holds one name twice/,
    ],
  ] as const)('%s is refused', async ([, inputs, detail]) => {
    const answer = await run([...inputs]);
    expect(answer.status).toBe(400);
    expect(answer.body.detail).toMatch(detail);
  });

  test('an upload that is no archive is refused, and so is another type', async () => {
    expect(await rest('PUT', '/v1/inputs', Buffer.alloc(1000, 'x'), 'application/x-tar')).toMatchObject({
      status: 400,
      body: { code: 'invalid_request', detail: expect.stringContaining('archive is broken') },
    });
    expect((await rest('PUT', '/v1/inputs', 'hello', 'text/plain')).status).toBe(415);
  });
});
