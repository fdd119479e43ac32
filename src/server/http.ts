import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, type McpRequestContext } from '@modelcontextprotocol/server';
import { z } from 'zod';
import type { Caller } from '../contracts/caller.ts';
import { broughtCredentials } from '../contracts/credentials.ts';
import { RunyardError } from '../contracts/errors.ts';
import { limits } from '../contracts/limits.ts';
import { SettingsError } from '../lib/settings.ts';
import { limitArrival } from './arrival.ts';
import type { Authenticator } from './auth.ts';
import { checkBrowserHeaders } from './browser-guard.ts';
import { credentialsOf } from './credentials.ts';
import type { Face } from './face.ts';
import { HttpError } from './http-error.ts';
import { refuseLongBody } from './json-body.ts';
import { createMcpFactory } from './mcp.ts';
import { refuseHeavyMessages } from './mcp-weight.ts';
import { sendJson, sendProblem } from './problem.ts';
import { reportError } from './report-error.ts';
import { handleRest, methodNotAllowed, noSuchRoute } from './rest.ts';

export interface HttpOptions {
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  readonly auth: Authenticator;
  /** The document at `/openapi.json`. */
  readonly openApi: () => unknown;
  /** How long calls under way may go on once the server is to end. */
  readonly drainMs: number;
}

export interface HttpServer {
  readonly url: string;
  /** Stops accepting, lets calls end, then ends. */
  close(): Promise<void>;
}

const headersTimeoutMs = 30_000;

/** Serves MCP at `/mcp`, REST below `/v1/`, and the OpenAPI document. Throws SettingsError where it cannot listen. */
export async function serveOnHttp(face: Face, options: HttpOptions): Promise<HttpServer> {
  const mcp = mcpHandler(face);
  const state = { ready: true };
  // How long a body may take is limited where it is known what it is for.
  const server = createServer({ headersTimeout: headersTimeoutMs, requestTimeout: 0 });
  server.on('request', (request, response) => {
    const exchange = { request, response, ...splitUrl(request.url ?? '/') };
    limitArrival(request, exchange.path === '/v1/inputs', () => fail(exchange, tooSlow(), face));
    answer(exchange, { face, options, mcp: mcp.handle, state }).catch((error: unknown) => fail(exchange, error, face));
  });
  await listen(server, options);
  // A connection that could not be taken, as where descriptors have run out, ends nothing else.
  server.on('error', (error) => face.log.error({ error }, 'A connection could not be taken'));
  return {
    url: urlOf(server, options.host),
    async close() {
      state.ready = false;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      await face.calls.drain(options.drainMs);
      await mcp.close();
      server.closeIdleConnections();
      setTimeout(() => server.closeAllConnections(), lastWordMs).unref();
      await closed;
    },
  };
}

/** For answers that are on their way. */
const lastWordMs = 500;

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly path: string;
  readonly query: URLSearchParams;
}

interface Serving {
  readonly face: Face;
  readonly options: HttpOptions;
  readonly mcp: (exchange: Exchange, caller: Caller) => Promise<void>;
  readonly state: { readonly ready: boolean };
}

async function answer(exchange: Exchange, { face, options, mcp, state }: Serving): Promise<void> {
  const { request, response, path } = exchange;
  checkBrowserHeaders(request.headers, options.host);
  const open = openRoutes(path, options, state);
  if (open !== undefined) {
    if (request.method !== 'GET' && request.method !== 'HEAD') throw methodNotAllowed(exchange, ['GET']);
    return sendJson(response, open.status, open.body);
  }
  if (path !== '/mcp' && !path.startsWith('/v1/')) throw noSuchRoute(exchange);
  const caller = options.auth.callerOf(request.headers.authorization);
  if (path === '/mcp') {
    refuseLongBody(request);
    return mcp(exchange, caller);
  }
  return face.calls.track(handleRest({ ...exchange, caller, gone: goneSignal(response) }, face));
}

/** What nobody needs a credential for. */
function openRoutes(path: string, { openApi }: HttpOptions, { ready }: Serving['state']) {
  if (path === '/healthz') return { status: 200, body: { status: 'ok' } };
  if (path === '/readyz')
    return ready ? { status: 200, body: { status: 'ready' } } : { status: 503, body: { status: 'stopping' } };
  if (path === '/openapi.json') return { status: 200, body: openApi() };
  return undefined;
}

function goneSignal(response: ServerResponse): AbortSignal {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  return gone.signal;
}

function tooSlow(): HttpError {
  return new HttpError(408, 'The request did not arrive in time.', 'Send it again; nothing of it was used.');
}

function fail({ request, response }: Exchange, thrown: unknown, { log }: Face): void {
  // Whoever has gone reads no answer, and what their going broke is no fault of ours.
  if (response.destroyed) return void log.info({ error: thrown }, 'A client left before it was answered');
  const error = reportError(thrown, 'A request could not be answered', log);
  if (response.headersSent) return void response.destroy();
  if (!request.complete) letGo(request);
  if (error instanceof HttpError && error.allow.length > 0) response.setHeader('Allow', error.allow.join(', '));
  sendProblem(response, error, error instanceof HttpError ? error.status : error.httpStatus);
}

const leftoverMs = 2_000;

/** A client that is still sending reads the answer only if what it sends is taken for a while, and nothing shut meanwhile. */
function letGo(request: IncomingMessage): void {
  request.resume();
  setTimeout(() => {
    if (!request.complete) request.destroy();
  }, leftoverMs).unref();
}

const authExtra = z.object({ owner: z.string(), credentials: broughtCredentials.optional() });

function mcpHandler(face: Face) {
  const onerror = (error: Error) => face.log.debug({ error }, 'An MCP request was refused');
  const size = { maxRequestBodySize: limits.httpBodyBytesMax };
  const handler = createMcpHandler(createMcpFactory(face, callerOfContext), { ...size, onerror });
  const handle = toNodeHandler({ fetch: refuseHeavyMessages(handler.fetch) }, { ...size, onerror });
  return {
    /** The transport hands `auth` on to the factory; the credential itself stays here. */
    handle({ request, response }: Exchange, { owner }: Caller) {
      const extra = { owner, credentials: credentialsOf(request.headers) };
      const auth = { token: '', clientId: owner, scopes: [], extra };
      const { method = 'GET', url = '/' } = request;
      return handle(Object.assign(request, { method, url, auth }), response);
    },
    close: () => handler.close(),
  };
}

function callerOfContext({ authInfo }: McpRequestContext): Caller {
  const parsed = authExtra.safeParse(authInfo?.extra);
  if (!parsed.success) throw new RunyardError('unauthorized');
  return parsed.data;
}

/** The path as it was sent: nothing in it is resolved away. */
function splitUrl(url: string): { path: string; query: URLSearchParams } {
  const [path = '/', query = ''] = url.split(/\?(.*)/s);
  return { path, query: new URLSearchParams(query) };
}

function listen(server: Server, { host, port }: HttpOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const refuse = (cause: Error) =>
      reject(
        new SettingsError(`--http (RUNYARD_HTTP): cannot listen on ${host}:${port} (${cause.message}).`, { cause }),
      );
    server.once('error', refuse);
    server.listen(port, host, () => {
      server.off('error', refuse);
      resolve();
    });
  });
}

function urlOf(server: Server, host: string): string {
  const address: string | AddressInfo | null = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
