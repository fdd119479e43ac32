import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { describe, expect, onTestFinished, test } from 'vitest';
import { parseHostRule } from '../../src/contracts/hosts.ts';
import { say } from '../fakes/model-server.ts';
import { setUp } from './gateway-harness.ts';

const host = 'allowed.example';

/** A far side that keeps what it is sent, and answers it. */
async function farSide({ silent = false } = {}) {
  const received: Buffer[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      received.push(chunk);
      if (!silent) socket.write('answer');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return { port: (server.address() as AddressInfo).port, received: () => Buffer.concat(received) };
}

async function gatewayTo(port: number) {
  return setUp([say('hi')], {
    hosts: [parseHostRule(`${host}:${port}`)!],
    egress: { privateTargets: [{ host, port }], resolve: async () => [{ address: '127.0.0.1', family: 4 }] },
  });
}

/** Asks for a tunnel; resolves with the status line and the connection. */
async function ask(port: number, authority: string, key: string | undefined) {
  const socket = connect(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => {});
  const basic = Buffer.from(`runyard:${key}`).toString('base64');
  socket.write(
    `CONNECT ${authority} HTTP/1.1\r\nhost: ${authority}\r\n${key === undefined ? '' : `proxy-authorization: Basic ${basic}\r\n`}\r\n`,
  );
  const answer = await new Promise<string>((resolve, reject) => {
    socket.once('data', (chunk) => resolve(chunk.toString()));
    socket.once('close', () => reject(new Error('closed without an answer')));
    socket.once('error', reject);
  });
  return { socket, answer };
}

const closed = (socket: Socket) => new Promise<void>((resolve) => socket.once('close', () => resolve()));

describe('D5: tunnels', () => {
  test('TLS to an allowed host passes, byte for byte, in both directions', async () => {
    const far = await farSide();
    const { port, gateway, denied } = await gatewayTo(far.port);
    const { socket, answer } = await ask(port, `${host}:${far.port}`, gateway.placeholderKey);
    expect(answer).toMatch(/^HTTP\/1.1 200 /);
    const tls = connectTls({ socket, servername: host });
    // The far side speaks no TLS: its answer reaches the client as it is, which takes offence.
    await expect(new Promise((_, reject) => tls.on('error', reject))).rejects.toMatchObject({
      code: expect.stringMatching(/SSL|PROTO/),
    });
    expect([...far.received().subarray(0, 3)]).toEqual([22, 3, 1]);
    expect(far.received().includes(host)).toBe(true);
    expect(denied).toEqual([]);
  });

  test.for([
    ['a name unlike the host', { servername: 'other.example' }],
    ['no name at all', { servername: '' }],
  ] as const)('a ClientHello with %s does not leave', async ([, options]) => {
    const far = await farSide();
    const { port, gateway, denied } = await gatewayTo(far.port);
    const { socket } = await ask(port, `${host}:${far.port}`, gateway.placeholderKey);
    const tls = connectTls({ socket, ...options });
    tls.on('error', () => {});
    await closed(socket);
    expect(far.received().length).toBe(0);
    expect(denied[0]?.why).toMatch(/^the connection was for (other.example|no name), not for allowed.example$/);
  });

  test('what is no TLS does not leave', async () => {
    const far = await farSide();
    const { port, gateway } = await gatewayTo(far.port);
    const { socket } = await ask(port, `${host}:${far.port}`, gateway.placeholderKey);
    socket.write(`GET / HTTP/1.1\r\nhost: ${host}\r\n\r\n`);
    await closed(socket);
    expect(far.received().length).toBe(0);
  });

  test.for([
    ['another host', 'denied.example:443', 403],
    ['another port', `${host}:1`, 403],
    ['an address', '127.0.0.1:443', 403],
    ['an IPv6 address', '[::1]:443', 400],
    ['no port', host, 400],
    ['a path', `${host}:443/x`, 400],
    ['a name with a user', `u@${host}:443`, 400],
  ] as const)('%s is refused, plainly, and told', async ([, authority, status]) => {
    const far = await farSide();
    const { port, gateway, denied } = await gatewayTo(far.port);
    const { answer } = await ask(port, authority, gateway.placeholderKey);
    expect(answer).toContain(` ${status} `);
    expect(answer).toContain('Runyard: ');
    expect(denied).toHaveLength(1);
    expect(far.received().length).toBe(0);
  });

  test('D3: each tunnel shows the key of its run', async () => {
    const far = await farSide();
    const { port, denied } = await gatewayTo(far.port);
    for (const key of [undefined, 'runyard-another', '']) {
      const { answer } = await ask(port, `${host}:${far.port}`, key);
      expect(answer).toMatch(/^HTTP\/1.1 407 /);
    }
    expect(denied.map(({ why }) => why)).toEqual(['the key is not the one of this run']);
  });

  test('a host that does not answer is a plain message, not a hang', async () => {
    const { port, gateway } = await gatewayTo(2);
    const { answer } = await ask(port, `${host}:2`, gateway.placeholderKey);
    expect(answer).toContain(' 502 ');
    expect(answer).toContain(`${host} cannot be reached`);
  });

  test('plain HTTP with a foreign Host goes nowhere', async () => {
    const far = await farSide();
    const { denied, send } = await gatewayTo(far.port);
    const { status } = await send({ method: 'GET', path: `http://${host}:${far.port}/`, body: '' });
    expect(status).toBe(404);
    expect(denied).toHaveLength(1);
    expect(far.received().length).toBe(0);
  });

  test('a program that resets its connection in any state does the gateway no harm', async () => {
    const far = await farSide({ silent: true });
    const { port, gateway } = await gatewayTo(far.port);
    const without = await setUp([say('hi')]);
    for (const [to, key] of [
      [port, gateway.placeholderKey],
      [port, 'wrong'],
      [without.port, 'none'],
    ] as const) {
      const { socket } = await ask(to, `${host}:${far.port}`, key);
      socket.resetAndDestroy();
    }
    const early = connect(port, '127.0.0.1');
    early.on('error', () => {});
    early.write(`CONNECT ${host}:${far.port} HTTP/1.1\r\n\r\n`, () => early.resetAndDestroy());
    const { answer } = await ask(port, `${host}:${far.port}`, gateway.placeholderKey);
    expect(answer).toMatch(/ 200 /);
  });

  test('a run without hosts has no tunnels', async () => {
    const { port, gateway, denied } = await setUp([say('hi')]);
    const { answer } = await ask(port, 'example.org:443', gateway.placeholderKey);
    expect(answer).toContain(' 403 ');
    expect(denied[0]?.why).toBe('the network is not reachable from here');
  });

  test('D3: the end of the run ends its tunnels', async () => {
    const far = await farSide({ silent: true });
    const { port, gateway } = await gatewayTo(far.port);
    const { socket } = await ask(port, `${host}:${far.port}`, gateway.placeholderKey);
    connectTls({ socket, servername: host }).on('error', () => {});
    await expect.poll(() => far.received().length).toBeGreaterThan(0);
    const gone = closed(socket);
    await gateway.close();
    await gone;
  });
});
