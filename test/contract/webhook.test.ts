import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createEgress } from '../../src/gateway/egress.ts';
import { createWebhookSender } from '../../src/webhook/standard-webhooks.ts';

const secret = `whsec_${Buffer.from('a secret of thirty-two bytes ....').toString('base64')}`;
const never = new AbortController().signal;

/** A real receiver that answers with these statuses, in order. */
async function receiver(...statuses: number[]) {
  const received: { headers: IncomingHttpHeaders; body: string }[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    received.push({ headers: request.headers, body });
    response.writeHead(statuses.shift() ?? 204, { location: 'http://127.0.0.1:1/' }).end('words');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const sender = createWebhookSender({ egress: createEgress({ privateTargets: [{ host: '127.0.0.1', port }] }) });
  const message = { url: `http://127.0.0.1:${port}/hook?a=b`, secret, id: 'msg_1', body: '{"type":"task.succeeded"}' };
  return { received, port, message, send: (more = {}) => sender.send({ ...message, ...more }, never) };
}

test.for([
  ['a secret of the scheme', secret],
  ['any other text', 'just a password'],
])('what is told can be verified by the scheme’s own library: %s', async ([, key = '']) => {
  const { received, message, send } = await receiver(200);
  expect(await send({ secret: key })).toEqual({ outcome: 'told', status: 200 });
  const verifier = key.startsWith('whsec_') ? new Webhook(key) : new Webhook(key, { format: 'raw' });
  const [{ headers, body } = { headers: {}, body: '' }] = received;
  expect(verifier.verify(body, headers as Record<string, string>)).toEqual({ type: 'task.succeeded' });
  expect(headers['webhook-id']).toBe(message.id);
  expect(() => verifier.verify(`${body} `, headers as Record<string, string>)).toThrow();
});

describe('what an answer means', () => {
  test.for([
    [200, 'told'],
    [204, 'told'],
    [301, 'given_up'],
    [307, 'given_up'],
    [400, 'given_up'],
    [404, 'given_up'],
    [410, 'given_up'],
    [408, 'try_again'],
    [429, 'try_again'],
    [500, 'try_again'],
    [503, 'try_again'],
  ] as const)('%s is %s', async ([status, outcome]) => {
    const { received, send } = await receiver(status);
    expect(await send()).toMatchObject({ outcome, status });
    expect(received).toHaveLength(1);
  });

  test('a receiver that is not there is tried again', async () => {
    const egress = createEgress({ privateTargets: [{ host: '127.0.0.1', port: 2 }] });
    const answer = await createWebhookSender({ egress }).send(
      { url: 'http://127.0.0.1:2/', secret, id: 'msg_1', body: '{}' },
      never,
    );
    expect(answer).toEqual({ outcome: 'try_again', reason: 'it could not be reached (ECONNREFUSED)' });
  });

  test('a secret that cannot sign is told as what it is, and nothing is dialed for it', async () => {
    const { port } = await receiver();
    const dialed: unknown[] = [];
    const egress = createEgress({ privateTargets: [{ host: '127.0.0.1', port }] });
    const watched = {
      ...egress,
      dial(...call: Parameters<typeof egress.dial>) {
        dialed.push(call);
        return egress.dial(...call);
      },
    };
    const message = { url: `http://127.0.0.1:${port}/`, secret: 'whsec_no base64!', id: 'msg_1', body: '{}' };
    const answer = await createWebhookSender({ egress: watched }).send(message, never);
    expect(answer).toEqual({ outcome: 'try_again', reason: expect.stringContaining('cannot sign') });
    expect(dialed).toEqual([]);
  });

  test('D6, prior A14d: an address that is private now is not reached at this attempt', async () => {
    const { received, port } = await receiver(200);
    const sender = createWebhookSender({ egress: createEgress({ privateTargets: [] }) });
    for (const host of ['127.0.0.1', 'localhost', '169.254.169.254']) {
      const answer = await sender.send({ url: `http://${host}:${port}/`, secret, id: 'msg_1', body: '{}' }, never);
      expect(answer).toMatchObject({ outcome: 'try_again', reason: expect.stringContaining('may not be reached') });
    }
    expect(received).toHaveLength(0);
  });

  test('an attempt that is given up ends with its reason', async () => {
    const egress = createEgress({ privateTargets: [], resolve: () => new Promise(() => {}) });
    const stop = new AbortController();
    const url = 'https://receiver.example/';
    const answer = createWebhookSender({ egress }).send({ url, secret, id: 'msg_1', body: '{}' }, stop.signal);
    stop.abort(new Error('the server closes'));
    await expect(answer).rejects.toThrow('the server closes');
  });
});
