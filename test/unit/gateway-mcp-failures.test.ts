import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { farSide, gatewayTo, json, secret } from './gateway-mcp-harness.ts';

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

  test('one that says nothing until the client has enough of it', async () => {
    const asked = Promise.withResolvers<IncomingMessage>();
    const far = await farSide((request) => asked.resolve(request));
    const { open, denied } = await gatewayTo(far.port);
    const call = open();
    call.on('error', () => {});
    const gone = once((await asked.promise).socket, 'close');
    call.destroy();
    await gone;
    await expect.poll(() => denied[0]?.why).toContain('had not answered when the client gave up');
  });
});
