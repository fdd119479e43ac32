import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { raw, say } from '../fakes/model-server.ts';
import { hello, open, realKey, sendRaw, setUp } from './gateway-harness.ts';

const forbiddenTargets = [
  ['GET', '/v1/messages'],
  ['PUT', '/v1/messages'],
  ['POST', '/v1/messages/batches'],
  ['POST', '/v1/messages/%2e%2e/files'],
  ['POST', '/v1/messages/../files'],
  ['POST', '/v1/messages?beta=true&x=1'],
  ['POST', '/v1/messages#x'],
  ['POST', '/V1/messages'],
  ['POST', '/v1/files'],
  ['POST', '/v1/complete'],
  ['GET', '/v1/models'],
  ['POST', '//127.0.0.1:1/v1/messages'],
  ['POST', 'http://127.0.0.1:1/v1/messages'],
  ['GET', '/'],
] as const;

test.for(forbiddenTargets)('D1, prior A16b: %s %s is refused, told, and never leaves', async ([method, path]) => {
  const { upstream, port, gateway, denied } = await setUp([say('no')]);
  const body = method === 'GET' ? '' : JSON.stringify(hello);
  const answer = await sendRaw(
    port,
    `${method} ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-api-key: ${gateway.placeholderKey}\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );
  expect(answer).toMatch(/^HTTP\/1.1 40[034]/);
  expect(upstream.requests).toEqual([]);
  expect(denied).toHaveLength(1);
});

test('D1: a CONNECT tunnel is refused', async () => {
  const { upstream, port, denied } = await setUp([say('no')]);
  const answer = await sendRaw(port, 'CONNECT example.com:443 HTTP/1.1\r\nhost: example.com:443\r\n\r\n');
  expect(answer).toMatch(/^HTTP\/1.1 403/);
  expect(denied).toEqual([{ what: 'CONNECT example.com:443', why: expect.any(String) }]);
  expect(upstream.requests).toEqual([]);
});

test('D1: only headers of the list go upstream, under the real key', async () => {
  const { upstream, send, gateway } = await setUp([say('hi')]);
  const answer = await send({
    headers: {
      authorization: 'Bearer smuggled',
      cookie: 'a=b',
      connection: 'x-api-key, close',
      'x-forwarded-host': 'evil.example',
      'anthropic-version': '2023-06-01',
      'anthropic-beta': 'claude-code-20250219, files-api-2025-04-14,effort-2025-11-24,mcp-client-2025-04-04',
      'accept-encoding': 'gzip, br',
    },
  });
  expect(answer.status).toBe(200);
  const names = (upstream.requests[0]?.rawHeaders ?? [])
    .filter((_, index) => index % 2 === 0)
    .map((name) => name.toLowerCase());
  expect(names.sort()).toEqual([
    'accept',
    'accept-encoding',
    'anthropic-beta',
    'anthropic-version',
    'connection',
    'content-length',
    'content-type',
    'host',
    'user-agent',
    'x-api-key',
  ]);
  expect(upstream.requests[0]?.headers).toMatchObject({
    'x-api-key': realKey,
    'anthropic-beta': 'claude-code-20250219,effort-2025-11-24',
    'accept-encoding': 'identity',
    host: new URL(upstream.url).host,
  });
  expect(JSON.stringify(upstream.requests)).not.toContain(gateway.placeholderKey);
});

test('D1: the body is spelled anew, without repeated and unknown fields', async () => {
  const { upstream, send, denied } = await setUp([say('hi')]);
  const { status } = await send({
    body: '{"model":"evil","max_tokens":1,"model":"claude-opus-4-5","speed":"fast","messages":[ {"role":"user","content":"x"} ]}',
  });
  expect(status).toBe(200);
  expect(upstream.requests[0]?.body).toBe(
    '{"model":"claude-opus-4-5","max_tokens":1,"messages":[{"role":"user","content":"x"}]}',
  );
  expect(denied).toEqual([{ what: 'the field speed', why: expect.any(String) }]);
});

test('D1: a redirect is not followed and its target is not told', async () => {
  const { upstream, send, gateway } = await setUp(() => raw(307, { location: 'http://169.254.169.254/v1/messages' }));
  const answer = await send();
  expect(answer.status).toBe(502);
  expect(answer.text + JSON.stringify(answer.headers)).not.toContain('169.254');
  expect(upstream.requests).toHaveLength(1);
  expect(gateway.lastFailure()).toContain('redirect');
});

test('an OAuth token goes as a bearer with its beta, for a client that knows API keys only', async () => {
  const credential = { kind: 'oauth_token', value: 'sk-ant-oat01-token' } as const;
  const { upstream, send } = await setUp([say('hi')], { credential, server: { key: credential.value } });
  expect((await send()).status).toBe(200);
  expect(upstream.requests[0]?.headers.authorization).toBe('Bearer sk-ant-oat01-token');
  expect(upstream.requests[0]?.headers['anthropic-beta']).toBe('oauth-2025-04-20');
  expect(upstream.requests[0]?.headers['x-api-key']).toBeUndefined();
});

test('D3: the key of another run opens nothing', async () => {
  const one = await setUp([say('hi')]);
  const other = await setUp([say('hi')]);
  expect(one.gateway.placeholderKey).not.toBe(other.gateway.placeholderKey);
  for (const headers of [
    { 'x-api-key': other.gateway.placeholderKey },
    { 'x-api-key': '', authorization: `Bearer ${other.gateway.placeholderKey}` },
    { 'x-api-key': '' },
    { 'x-api-key': realKey },
  ]) {
    const answer = await one.send({ headers });
    expect(answer.status).toBe(401);
    expect(answer.headers['x-should-retry']).toBe('false');
  }
  expect(one.upstream.requests).toEqual([]);
  expect(
    (await one.send({ headers: { 'x-api-key': '', authorization: `Bearer ${one.gateway.placeholderKey}` } })).status,
  ).toBe(200);
});

test('D3: two runs are metered apart', async () => {
  const one = await setUp([say('a', { usage: { input_tokens: 10, output_tokens: 1 } })]);
  const other = await setUp([say('b', { usage: { input_tokens: 70, output_tokens: 2 } })]);
  await Promise.all([one.send(), other.send(), one.send()]);
  expect(one.gateway.spent().usage).toMatchObject({ inputTokens: 20, outputTokens: 2 });
  expect(other.gateway.spent().usage).toMatchObject({ inputTokens: 70, outputTokens: 2 });
  expect(one.gateway.delivered()).toEqual(['a', 'a']);
  expect(other.gateway.delivered()).toEqual(['b']);
});

test('D3: the end of the run destroys idle and busy connections and the listener', async () => {
  const { gateway, port, upstream } = await setUp([say('slow', { firstByteMs: 60_000 })]);
  const idle = connect(port, '127.0.0.1');
  await once(idle, 'connect');
  const busy = open(port, gateway.placeholderKey);
  const ended = Promise.all([once(idle, 'close'), once(busy, 'error')]);
  await expect.poll(() => upstream.requests.length).toBe(1);
  await gateway.close();
  await ended;
  await upstream.abandoned;
  const late = connect(port, '127.0.0.1');
  const [error] = await once(late, 'error');
  expect(error.code).toBe('ECONNREFUSED');
});

test('HEAD / is answered here, without a key', async () => {
  const { send, upstream } = await setUp([]);
  expect((await send({ method: 'HEAD', path: '/', headers: { 'x-api-key': '' }, body: '' })).status).toBe(200);
  expect(upstream.requests).toEqual([]);
});

test('the base URL may have a prefix, with or without the version', async () => {
  const { send, upstream } = await setUp([say('hi')], { server: { prefix: '/gateway/anthropic' } });
  expect((await send()).status).toBe(200);
  expect(upstream.requests[0]?.url).toBe('/gateway/anthropic/v1/messages?beta=true');
});
