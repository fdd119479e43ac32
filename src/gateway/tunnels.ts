import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';
import type { DialTarget, Egress } from '../contracts/egress.ts';
import { RunyardError } from '../contracts/errors.ts';
import type { GatewayOptions } from '../contracts/gateway.ts';
import { allowsHost, type HostRule } from '../contracts/hosts.ts';
import { whatOf } from './listener.ts';

/** What a program asks of a proxy with CONNECT: a connection to one of the hosts that its run may reach. */
export interface TunnelOptions {
  readonly hosts: readonly HostRule[];
  readonly egress: Egress;
  readonly isKey: (key: string) => boolean;
  readonly onDenied: GatewayOptions['onDenied'];
}

/** A client that says nothing of itself has nothing to say. */
const helloTimeoutMs = 10_000;

/** Carries one tunnel to its end. Never rejects: what goes wrong is answered, and told as a denial where it is one. */
export function createTunnels({ hosts, egress, isKey, onDenied }: TunnelOptions) {
  const plain = hosts.filter(({ anyProtocol }) => anyProtocol);
  const mayBePlain = ({ host, port }: DialTarget) => allowsHost(plain, host, port);
  return async (request: IncomingMessage, client: Socket, head: Buffer): Promise<void> => {
    const what = whatOf(request);
    const refuse = (status: number, why: string) => {
      onDenied({ what, why });
      client.end(answer(status, why));
    };
    const target = targetOf(request.url ?? '');
    if (target === undefined) return refuse(400, 'it is no host:port');
    if (!isKey(passwordOf(request))) return refuse(407, 'the key is not the one of this run');
    if (!allowsHost(hosts, target.host, target.port)) return refuse(403, `this run may not reach ${target.host}`);

    // The two halves of a tunnel and the server's own listeners are more than ten.
    client.setMaxListeners(20);
    const gone = new AbortController();
    client.once('close', () => gone.abort());
    let upstream: Socket;
    try {
      upstream = await egress.dial(target, gone.signal);
      upstream.on('error', () => upstream.destroy());
    } catch (error) {
      if (gone.signal.aborted) return;
      if (error instanceof RunyardError) return refuse(403, error.message);
      client.end(answer(502, `${target.host} cannot be reached`));
      return;
    }
    try {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      if (head.length > 0) client.unshift(head);
      const name = mayBePlain(target) ? target.host : await serverNameOf(client);
      if (name !== target.host) {
        onDenied({ what, why: `the connection was for ${name ?? 'no name'}, not for ${target.host}` });
        return;
      }
      await Promise.all([pipeline(client, upstream), pipeline(upstream, client)]);
    } catch {
      // Either side went away in the middle; both learn of it by the end of their connection.
    } finally {
      client.destroy();
      upstream.destroy();
    }
  };
}

// --- Internal helpers ---

function targetOf(authority: string): { host: string; port: number } | undefined {
  const [, host, port] = /^([A-Za-z0-9._-]{1,253}):(\d{1,5})$/.exec(authority) ?? [];
  return host === undefined ? undefined : { host: host.toLowerCase(), port: Number(port) };
}

/** Of `Proxy-Authorization: Basic`, which every client makes of the user info in a proxy's address. */
function passwordOf({ headers }: IncomingMessage): string {
  const [, encoded = ''] = /^basic ([A-Za-z0-9+/=]+)$/i.exec(headers['proxy-authorization'] ?? '') ?? [];
  const pair = Buffer.from(encoded, 'base64').toString('utf8');
  return pair.slice(pair.indexOf(':') + 1);
}

function answer(status: number, why: string): string {
  const body = `Runyard: ${why}\n`;
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'connection: close',
    'content-type: text/plain',
    `content-length: ${Buffer.byteLength(body)}`,
    ...(status === 407 ? ['proxy-authenticate: Basic realm="Runyard"'] : []),
    '',
    body,
  ].join('\r\n');
}

/** The name that a TLS client asks for; undefined where it asks for none. Throws where it does not speak TLS. */
async function serverNameOf(client: Socket): Promise<string | undefined> {
  const { getExtensionData, readTlsClientHello } = await import('read-tls-client-hello');
  const timer = setTimeout(() => client.destroy(), helloTimeoutMs);
  try {
    const hello = await readTlsClientHello(client);
    return getExtensionData(hello, 'sni')?.serverName?.toLowerCase();
  } finally {
    clearTimeout(timer);
  }
}
