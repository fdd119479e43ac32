import { type AddressInfo, createServer } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { allowsHost, coversHost, parseHostRule } from '../../src/contracts/hosts.ts';
import { isPublicAddress } from '../../src/gateway/addresses.ts';
import { createEgress, type EgressOptions } from '../../src/gateway/egress.ts';

const never = new AbortController().signal;

/** A listener that counts who came. */
async function listener() {
  const seen = { connections: 0 };
  const server = createServer((socket) => {
    seen.connections++;
    socket.on('error', () => {});
    socket.end('here');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return { port: (server.address() as AddressInfo).port, seen };
}

const resolving =
  (...addresses: string[]): EgressOptions['resolve'] =>
  async () =>
    addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));

describe('D5: addresses that are not public', () => {
  test.for([
    ...['127.0.0.1', '127.255.0.1', '0.0.0.0', '0.1.2.3', '10.0.0.1', '172.16.0.1', '192.168.1.1', '169.254.169.254'],
    ...['100.64.0.1', '198.18.0.1', '192.0.2.1', '224.0.0.1', '255.255.255.255', '240.0.0.1', '192.0.0.1'],
    ...[
      '::',
      '::1',
      'fe80::1',
      'fc00::1',
      'fd00:ec2::254',
      'ff02::1',
      '2001:db8::1',
      '64:ff9b::7f00:1',
      '64:ff9b:1::1',
    ],
    ...['::ffff:127.0.0.1', '::ffff:a9fe:a9fe', '::127.0.0.1', '2002:7f00:1::1', '2001:0:1::1', '100::1', '5f00::1'],
    ...['', 'localhost', '127.1', 'fe80::1%eth0'],
  ])('%s', (address) => {
    expect(isPublicAddress(address)).toBe(false);
  });

  test.for(['8.8.8.8', '160.79.104.10', '2606:4700::1111', '2a00:1450:4001:800::200e'])('%s is public', (address) => {
    expect(isPublicAddress(address)).toBe(true);
  });
});

describe('D5: dialing', () => {
  test.for([
    ['a name that leads to this machine', 'rebound.example', resolving('127.0.0.1')],
    ['a name with one public and one private address', 'mixed.example', resolving('8.8.8.8', '10.0.0.1')],
    ['a name that leads to the metadata server', 'metadata.google.internal', resolving('169.254.169.254')],
    ['a mapped address', 'mapped.example', resolving('::ffff:169.254.169.254')],
    ['a name without addresses', 'nowhere.example', resolving()],
    ['an address in place of a name', '127.0.0.1', undefined],
    ['one in brackets', '[::1]', undefined],
    ['a short one', '127.1', undefined],
    ['a number', '2130706433', undefined],
    ['a hexadecimal one', '0x7f.0.0.1', undefined],
  ] as const)('%s is refused before anything is dialed', async ([, host, resolve]) => {
    const { port, seen } = await listener();
    const egress = createEgress({ privateTargets: [], ...(resolve === undefined ? {} : { resolve }) });
    await expect(egress.dial({ host, port }, never)).rejects.toMatchObject({
      code: 'egress_denied',
      message: expect.stringContaining('may not be reached'),
    });
    expect(seen.connections).toBe(0);
  });

  test('what was checked is what is dialed, though the name leads elsewhere a moment later', async () => {
    const { port, seen } = await listener();
    const answers = [['127.0.0.1'], ['127.0.0.2']];
    const egress = createEgress({
      privateTargets: [{ host: 'moving.example', port }],
      resolve: async () => answers.shift()!.map((address) => ({ address, family: 4 })),
    });
    const socket = await egress.dial({ host: 'moving.example', port }, never);
    expect(socket.remoteAddress).toBe('127.0.0.1');
    socket.destroy();
    expect(seen.connections).toBe(1);
    expect(answers).toHaveLength(1);
  });

  test('the operator allows a private host on one port, and no other', async () => {
    const { port } = await listener();
    const egress = createEgress({ privateTargets: [{ host: '127.0.0.1', port }] });
    (await egress.dial({ host: '127.0.0.1', port }, never)).destroy();
    await expect(egress.dial({ host: '127.0.0.1', port: port + 1 }, never)).rejects.toMatchObject({
      code: 'egress_denied',
    });
  });

  test('a wait that was given up ends with its reason', async () => {
    const egress = createEgress({ privateTargets: [], resolve: () => new Promise(() => {}) });
    const reason = new Error('nobody waits');
    await expect(egress.dial({ host: 'a.example', port: 443 }, AbortSignal.abort(reason))).rejects.toBe(reason);
  });
});

describe('rules of hosts', () => {
  const rules = ['example.org', '*.example.net', 'a.example:8443'].map((text) => parseHostRule(text)!);

  test.for([
    ['example.org', 443, true],
    ['example.org', 80, false],
    ['www.example.org', 443, false],
    ['www.example.net', 443, true],
    ['a.b.example.net', 443, true],
    ['example.net', 443, false],
    ['badexample.net', 443, false],
    ['a.example', 8443, true],
    ['a.example', 443, false],
  ] as const)('%s:%s %s', ([host, port, allowed]) => {
    expect(allowsHost(rules, host, port)).toBe(allowed);
  });

  test.for([
    ...[
      '',
      '*',
      '*.',
      '.',
      'http://a',
      'a/b',
      'a:0',
      'a:99999',
      'a b',
      '127.0.0.1',
      '[::1]',
      '::1',
      '10',
      '0x7f',
      '*.*.a',
    ],
    ...['a..b', '-a', 'a-', 'user@a', 'a:443:443', 'a,b'],
  ])('"%s" is no rule', (text) => {
    expect(parseHostRule(text)).toBeUndefined();
  });

  test('a caller asks for no more than the operator allows', () => {
    const covers = (text: string) => coversHost(rules, parseHostRule(text)!);
    expect(['example.org', 'x.example.net', '*.example.net', '*.x.example.net', 'a.example:8443'].map(covers)).toEqual(
      Array(5).fill(true),
    );
    expect(['*.example.org', 'example.net', '*.net', 'example.org:80', 'a.example'].map(covers)).toEqual(
      Array(5).fill(false),
    );
  });
});
