import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { SecretMcpServer } from '../../src/contracts/gateway.ts';
import { openGateway } from '../../src/gateway/door.ts';
import { createEgress, type EgressOptions } from '../../src/gateway/egress.ts';
import { type ClientRequest, open, openDoor, send } from './gateway-harness.ts';

const secret = 'a-token-that-nobody-inside-sees';

/** A far side that answers as the test says, and keeps what reached it. */
async function farSide(answer: (request: IncomingMessage, response: ServerResponse) => void) {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, requests };
}

/** A gateway before one MCP server at that port. */
async function gatewayTo(port: number, server: Partial<SecretMcpServer> = {}, egress?: EgressOptions) {
  const denied: { what: string; why: string }[] = [];
  const gateway = openGateway({
    onDenied: (denial) => denied.push(denial),
    egress: createEgress(egress ?? { privateTargets: [{ host: '127.0.0.1', port }] }),
    mcpServers: [{ name: 'far', url: `http://127.0.0.1:${port}/the/path?x=1`, secret, headers: [], ...server }],
  });
  const doorPort = await openDoor(gateway);
  onTestFinished(() => gateway.close());
  const asked = { path: '/mcp/far', body: '{"jsonrpc":"2.0"}' };
  return {
    gateway,
    denied,
    send: (request: Partial<ClientRequest> = {}) => send(doorPort, gateway.placeholderKey, { ...asked, ...request }),
    open: (request: Partial<ClientRequest> = {}) => open(doorPort, gateway.placeholderKey, { ...asked, ...request }),
  };
}

const json = (response: ServerResponse, body: string) =>
  void response.writeHead(200, { 'content-type': 'application/json' }).end(body);

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

describe('T6: the secret of an MCP server does not come back', () => {
  test('a redirect is not followed, and its target is not told', async () => {
    const other = await farSide((_request, response) => json(response, '{}'));
    const location = `http://127.0.0.1:${other.port}/elsewhere`;
    const far = await farSide((_request, response) => void response.writeHead(307, { location }).end());
    const { send, denied } = await gatewayTo(
      far.port,
      {},
      {
        privateTargets: [far, other].map(({ port }) => ({ host: '127.0.0.1', port })),
      },
    );
    const answer = await send();
    expect(answer.status).toBe(502);
    expect(answer.text + JSON.stringify(answer.headers)).not.toContain('elsewhere');
    expect(other.requests).toEqual([]);
    expect(denied).toEqual([
      {
        what: 'the MCP server far',
        why: `127.0.0.1:${far.port} answered with a redirect (307), which is not followed`,
      },
    ]);
  });

  test('an answer that repeats it is without it, wherever its parts are divided', async () => {
    const told = `data: you are ${secret}, yes ${secret}${secret.slice(0, 9)} and a-token\n\n`;
    const far = await farSide(async (request, response) => {
      const size = Number(await text(request));
      response.writeHead(200, { 'content-type': 'text/event-stream', 'mcp-session-id': `of ${secret}` });
      for (let at = 0; at < told.length; at += size) {
        response.write(told.slice(at, at + size));
        await new Promise((resolve) => setImmediate(resolve));
      }
      response.end();
    });
    const { send } = await gatewayTo(far.port);
    for (const size of [1, 7, 30, 1000]) {
      const answer = await send({ body: String(size) });
      expect(answer.text).toBe(`data: you are [redacted], yes [redacted]${secret.slice(0, 9)} and a-token\n\n`);
      expect(answer.headers['mcp-session-id']).toBeUndefined();
    }
  });

  test('what cannot be read along does not pass', async () => {
    const far = await farSide((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' }).end('x');
    });
    const { send, denied } = await gatewayTo(far.port);
    expect((await send()).status).toBe(502);
    expect(denied[0]?.why).toContain('compressed its answer unasked');
  });
});

describe('an MCP server that fails is a clear event and a plain message', () => {
  test('D6: one that is not on the public internet', async () => {
    const far = await farSide((_request, response) => json(response, '{}'));
    const { send, denied } = await gatewayTo(
      far.port,
      { url: `http://mcp.example:${far.port}/` },
      {
        privateTargets: [],
        resolve: async () => [{ address: '127.0.0.1', family: 4 }],
      },
    );
    const answer = await send();
    expect(answer.status).toBe(403);
    expect(answer.text).toContain('mcp.example leads to 127.0.0.1, which is not on the public internet');
    expect(denied).toEqual([{ what: 'the MCP server far', why: expect.stringContaining('may not be reached') }]);
    expect(far.requests).toEqual([]);
  });

  test('one that is not there, and one that breaks off before it answers', async () => {
    const { send, denied } = await gatewayTo(2);
    expect(await send()).toMatchObject({ status: 502, text: expect.stringContaining('ECONNREFUSED') });
    const far = await farSide((request) => void request.socket.destroy());
    const broken = await gatewayTo(far.port);
    expect(await broken.send()).toMatchObject({ status: 502, text: expect.stringContaining('cannot be reached') });
    expect([...denied, ...broken.denied].map(({ why }) => why)).toEqual([
      '127.0.0.1:2 cannot be reached (ECONNREFUSED)',
      `127.0.0.1:${far.port} cannot be reached (ECONNRESET)`,
    ]);
  });

  test('one that does not take the secret asks the client for no other', async () => {
    const far = await farSide((_request, response) => {
      response.writeHead(401, { 'www-authenticate': 'Bearer resource_metadata="https://x"' }).end(`bad ${secret}`);
    });
    const { send, denied } = await gatewayTo(far.port);
    const answer = await send();
    expect(answer.status).toBe(502);
    expect(answer.headers['www-authenticate']).toBeUndefined();
    expect(answer.text).toContain('it does not take the secret');
    expect(denied).toHaveLength(1);
    expect(JSON.stringify([answer, denied])).not.toContain(secret);
  });

  test('one that has trouble says so itself', async () => {
    const far = await farSide((_request, response) => void response.writeHead(503, { 'retry-after': '9' }).end('busy'));
    const { send, denied } = await gatewayTo(far.port);
    expect(await send()).toMatchObject({ status: 503, text: 'busy', headers: { 'retry-after': '9' } });
    expect(denied[0]?.why).toBe(`127.0.0.1:${far.port} answered 503`);
  });

  test('one that breaks off in the middle', async () => {
    const far = await farSide((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n');
      setImmediate(() => response.destroy());
    });
    const { send, denied } = await gatewayTo(far.port);
    await expect(send()).rejects.toThrow();
    expect(denied[0]?.why).toContain('broke its answer off');
  });
});
