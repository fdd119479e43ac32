import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { connect as connectTls } from 'node:tls';

/** Where a connection for the URL goes, its port spelled out. */
export function targetOf(url: URL): { readonly host: string; readonly port: number } {
  return { host: url.hostname, port: Number(url.port) || (url.protocol === 'https:' ? 443 : 80) };
}

export interface RequestOver {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  /** What is read while it is sent is left where it is if the connection breaks: its owner still has to answer. */
  readonly body?: string | Uint8Array | Readable;
  readonly signal: AbortSignal;
}

export interface AnswerOver {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: IncomingMessage;
}

/**
 * One request over a connection that somebody else has dialed and checked; `https` adds TLS for the URL's own name.
 * Follows no redirect. The connection is closed with the answer, or by the signal. Throws what the connection threw.
 */
export function requestOver(
  socket: Socket,
  url: URL,
  { method, headers, body, signal }: RequestOver,
): Promise<AnswerOver> {
  return new Promise((resolve, reject) => {
    const connection =
      url.protocol === 'https:'
        ? connectTls({ socket, servername: url.hostname, ALPNProtocols: ['http/1.1'] })
        : socket;
    const outgoing = request(
      {
        createConnection: () => connection,
        method,
        path: `${url.pathname}${url.search}`,
        headers: { host: url.host, connection: 'close', ...headers },
        signal,
      },
      (answer) => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: answer }),
    );
    outgoing.once('error', (error) => {
      connection.destroy();
      reject(signal.aborted ? signal.reason : error);
    });
    if (body instanceof Readable) body.pipe(outgoing);
    else outgoing.end(body);
  });
}
