import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { farSide, gatewayTo, json, secret } from './gateway-mcp-harness.ts';

describe('T6: an MCP server with a secret', () => {
  test('is asked at its own url, under the secret, with headers of the protocol and those that were declared', async () => {
    const far = await farSide((_request, response) => {
      response.setHeader('mcp-session-id', 'one');
      response.setHeader('set-cookie', 'a=b');
      json(response, '{"result":1}');
    });
    const { send, gateway, denied } = await gatewayTo(far.port, { headers: ['x-toolsets', 'host', 'authorization'] });
    const answer = await send({
      headers: {
        authorization: `Bearer ${gateway.placeholderKey}`,
        accept: 'application/json, text/event-stream',
        'mcp-session-id': 'one',
        'mcp-protocol-version': '2026-07-28',
        'last-event-id': '7',
        'x-toolsets': 'repos',
        'x-other': 'no',
        cookie: 'a=b',
        'accept-encoding': 'gzip',
      },
    });
    expect(answer).toMatchObject({ status: 200, text: '{"result":1}', headers: { 'mcp-session-id': 'one' } });
    expect(answer.headers['set-cookie']).toBeUndefined();
    const [request] = far.requests;
    expect(request).toMatchObject({ method: 'POST', url: '/the/path?x=1' });
    expect(request?.headers).toEqual({
      accept: 'application/json, text/event-stream',
      'accept-encoding': 'identity',
      authorization: `Bearer ${secret}`,
      connection: 'close',
      'content-length': '17',
      'content-type': 'application/json',
      host: `127.0.0.1:${far.port}`,
      'last-event-id': '7',
      'mcp-protocol-version': '2026-07-28',
      'mcp-session-id': 'one',
      'user-agent': 'runyard',
      'x-toolsets': 'repos',
    });
    expect(denied).toEqual([]);
  });

  test.for([
    ['POST', '/mcp/far/'],
    ['POST', '/mcp/far/more'],
    ['POST', '/mcp/far?x=2'],
    ['POST', '/mcp/other'],
    ['POST', '/mcp/%66ar'],
    ['POST', '/mcp/x/../far'],
    ['POST', '/the/path?x=1'],
    ['PUT', '/mcp/far'],
    ['POST', '/v1/messages'],
  ] as const)('%s %s goes nowhere, and is told', async ([method, path]) => {
    const far = await farSide((_request, response) => json(response, '{}'));
    const { send, denied } = await gatewayTo(far.port);
    expect((await send({ method, path })).status).toBe(404);
    expect(denied).toHaveLength(1);
    expect(far.requests).toEqual([]);
  });

  test('D3: the key of another run opens nothing', async () => {
    const far = await farSide((_request, response) => json(response, '{}'));
    const { send } = await gatewayTo(far.port);
    expect((await send({ headers: { 'x-api-key': 'runyard-another' } })).status).toBe(401);
    expect((await send({ headers: { 'x-api-key': secret } })).status).toBe(401);
    expect(far.requests).toEqual([]);
  });

  test('a body of some size arrives whole', async () => {
    const received: string[] = [];
    const far = await farSide(async (request, response) => {
      received.push(await text(request));
      json(response, '{}');
    });
    const { send } = await gatewayTo(far.port);
    const body = JSON.stringify({ data: 'x'.repeat(5_000_000) });
    expect((await send({ body })).status).toBe(200);
    expect(received).toEqual([body]);
  });

  test('events pass as they come, and a stream is open before its first one', async () => {
    const far = await farSide((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
    });
    const responses: ServerResponse[] = [];
    const streaming = await farSide((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n');
      responses.push(response);
    });
    const idle = await gatewayTo(far.port);
    const [opened]: IncomingMessage[] = await once(idle.open({ method: 'GET', body: '' }), 'response');
    expect(opened?.headers['content-type']).toBe('text/event-stream');

    const busy = await gatewayTo(streaming.port);
    const [answer]: IncomingMessage[] = await once(busy.open(), 'response');
    const chunks = answer![Symbol.asyncIterator]();
    expect(String((await chunks.next()).value)).toBe('data: 1\n\n');
    responses[0]!.end('data: 2\n\n');
    expect(String((await chunks.next()).value)).toBe('data: 2\n\n');
    expect((await chunks.next()).done).toBe(true);
  });

  test('a session ends with DELETE, and what the server says of it passes', async () => {
    const far = await farSide((request, response) => {
      response.writeHead(request.method === 'DELETE' ? 200 : 404, { 'content-type': 'text/plain' }).end('Session');
    });
    const { send, denied } = await gatewayTo(far.port);
    expect(await send({ method: 'DELETE', body: '' })).toMatchObject({ status: 200, text: 'Session' });
    expect(await send()).toMatchObject({ status: 404, text: 'Session' });
    expect(denied).toEqual([]);
  });

  test('a client that goes, and the end of the run, end the call at the far side', async () => {
    const gone: Promise<unknown>[] = [];
    const far = await farSide((_request, response) => {
      gone.push(once(response, 'close'));
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
    });
    const { open, gateway } = await gatewayTo(far.port);
    const first = open();
    first.on('error', () => {});
    await once(first, 'response');
    first.destroy();
    await gone[0];
    const second = open();
    second.on('error', () => {});
    const [answer]: IncomingMessage[] = await once(second, 'response');
    answer!.on('error', () => {});
    await gateway.close();
    await gone[1];
  });
});
