import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Server, Socket } from 'node:net';
import type { GatewayOptions } from '../contracts/gateway.ts';
import { keysOf } from './headers.ts';

/** Connections, the key of the run, the table of what may be asked. */
export interface Listener {
  serve(door: Server): void;
  close(): Promise<void>;
}

export interface ListenerOptions {
  /** Carries one allowed call; `path` is the table's own spelling of it. No model is reached where undefined. */
  readonly call: ((path: ModelPath, request: IncomingMessage, response: ServerResponse) => Promise<void>) | undefined;
  /** What carries a request to an MCP server; undefined where it is for none. No such server is reached where undefined. */
  readonly mcp: ((request: IncomingMessage) => Carrier | undefined) | undefined;
  /** Carries one CONNECT. No host is reached where undefined. */
  readonly tunnel: ((request: IncomingMessage, client: Socket, head: Buffer) => Promise<void>) | undefined;
  readonly placeholderKey: string;
  readonly onDenied: GatewayOptions['onDenied'];
}

/** Answers one request that showed the key of the run. */
export type Carrier = (response: ServerResponse) => Promise<void>;

/** Exact request targets, as they stand on the request line. Nothing is decoded, joined or resolved. */
const modelPaths = [
  '/v1/messages',
  '/v1/messages?beta=true',
  '/v1/messages/count_tokens',
  '/v1/messages/count_tokens?beta=true',
] as const;
export type ModelPath = (typeof modelPaths)[number];

/** One program of a run keeps a few connections open; more than these are turned away. */
const connectionsMax = 64;

/** Random, worthless outside of its run. */
export function newPlaceholderKey(): string {
  return `runyard-${randomBytes(24).toString('hex')}`;
}

export function createListener({ call, mcp, tunnel, placeholderKey, onDenied }: ListenerOptions): Listener {
  const sockets = new Set<Socket>();
  const doors = new Set<Server>();

  const http = createServer((request, response) => {
    route(request, response).catch((error: unknown) => {
      onDenied({
        what: whatOf(request),
        why: `the gateway failed: ${error instanceof Error ? error.name : 'unknown'}`,
      });
      response.destroy();
    });
  });
  http.on('connect', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    // The server of http lets go of the connection here, and with it of its errors, which would end the process.
    socket.on('error', () => socket.destroy());
    if (tunnel !== undefined) return void tunnel(request, socket, head);
    onDenied({ what: whatOf(request), why: 'the network is not reachable from here' });
    socket.end('HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
  });

  const route = async (request: IncomingMessage, response: ServerResponse) => {
    // The CLI warms its connection up with this; it is answered here and tells nothing.
    if (request.method === 'HEAD' && request.url === '/') return void response.writeHead(200).end();
    const carry = carrierOf(request);
    if (carry === undefined) return deny(request, response);
    if (!keysOf(request.headers).some((key) => isSameKey(key, placeholderKey))) {
      onDenied({ what: whatOf(request), why: 'the key is not the one of this run' });
      return answerError(response, 401, 'the key is not the one of this run');
    }
    await carry(response);
  };

  const carrierOf = (request: IncomingMessage): Carrier | undefined => {
    const path = modelPaths.find((known) => known === request.url);
    if (path === undefined) return mcp?.(request);
    return call === undefined || request.method !== 'POST' ? undefined : (response) => call(path, request, response);
  };

  const deny = (request: IncomingMessage, response: ServerResponse) => {
    const reachable = [
      ...(call === undefined ? [] : ['POST /v1/messages', 'POST /v1/messages/count_tokens']),
      ...(mcp === undefined ? [] : ["the exact paths of the run's MCP servers"]),
      ...(tunnel === undefined ? [] : ['https to the hosts of this run by CONNECT']),
    ];
    const why = `it is not reachable from here; only ${reachable.join(', ')}`;
    onDenied({ what: whatOf(request), why });
    answerError(response, 404, why);
  };

  return {
    serve(door) {
      doors.add(door);
      door.maxConnections = connectionsMax;
      door.on('error', (error) => onDenied({ what: 'the listener', why: error.message }));
      door.on('connection', (socket) => {
        sockets.add(socket);
        socket.once('close', () => sockets.delete(socket));
        http.emit('connection', socket);
      });
    },
    async close() {
      const closed = [...doors].map((door) => new Promise((resolve) => door.close(resolve)));
      for (const socket of sockets) socket.destroy();
      await Promise.all(closed);
    },
  };
}

/** An error in the API's own shape, in our words. `final` ends a client's retries. */
export function answerError(response: ServerResponse, status: number, message: string, final = true): void {
  if (response.headersSent || response.destroyed) return void response.destroy();
  const body = {
    type: 'error',
    error: { type: errorTypes.get(status) ?? 'api_error', message: `Runyard: ${message}` },
  };
  const retry = final ? { 'x-should-retry': 'false' } : {};
  response.writeHead(status, { 'content-type': 'application/json', connection: 'close', ...retry });
  response.end(JSON.stringify(body));
}

export function isSameKey(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

/** A request as an event names it. */
export function whatOf(request: IncomingMessage): string {
  return `${request.method} ${JSON.stringify(request.url ?? '').slice(1, 201)}`.replace(/"$/, '');
}

// --- Internal helpers ---

const errorTypes = new Map([
  [400, 'invalid_request_error'],
  [401, 'authentication_error'],
  [403, 'permission_error'],
  [404, 'not_found_error'],
  [413, 'request_too_large'],
  [429, 'rate_limit_error'],
]);
