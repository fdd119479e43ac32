import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { Egress } from '../contracts/egress.ts';
import { RunyardError } from '../contracts/errors.ts';
import { type GatewayOptions, mcpPath, type SecretMcpServer } from '../contracts/gateway.ts';
import { type AnswerOver, requestOver, targetOf } from '../lib/request-over.ts';
import { connectionCode } from './connection-code.ts';
import { answerError } from './listener.ts';
import { withoutSecret } from './without-secret.ts';

export interface McpServersOptions {
  readonly servers: readonly SecretMcpServer[];
  readonly egress: Egress;
  readonly onDenied: GatewayOptions['onDenied'];
}

/** Claude itself gives up a call that says nothing for five minutes. */
const answerTimeoutMs = 6 * 60_000;

/**
 * Carries what MCP's Streamable HTTP asks of a server to that server's one url, under its secret, and streams what is
 * answered. Undefined for a request that is for none of the servers; else what carries it, which never rejects for
 * what the far side does.
 */
export function createMcpServers({ servers, egress, onDenied }: McpServersOptions) {
  const byTarget = new Map(servers.map((server) => [mcpPath(server.name), server]));

  const carry = async (server: SecretMcpServer, request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { host, port } = targetOf(new URL(server.url));
    const tell = (why: string) => onDenied({ what: `the MCP server ${server.name}`, why });
    // A stream of events that ends is nothing to tell of.
    const tellOfCall = (what: string) => {
      if (request.method === 'POST') tell(`${host}:${port} ${what}`);
    };
    const refuse = (status: number, why: string) => {
      tell(why);
      answerError(response, status, `the MCP server ${server.name}: ${why}`);
    };
    const client = new AbortController();
    response.once('close', () => client.abort());
    let answer: AnswerOver;
    try {
      answer = await ask(server, request, egress, client.signal);
    } catch (error) {
      if (client.signal.aborted) return tellOfCall('had not answered when the client gave up');
      if (error instanceof RunyardError) return refuse(403, error.message);
      return refuse(502, `${host}:${port} cannot be reached (${connectionCode(error)})`);
    }
    const fault = faultOf(answer);
    if (fault !== undefined) {
      answer.body.destroy();
      return refuse(502, `${host}:${port} ${fault}`);
    }
    if (answer.status === 403 || answer.status >= 500) tell(`${host}:${port} answered ${answer.status}`);
    answer.body.once('error', () => {
      if (!client.signal.aborted) tellOfCall('broke its answer off');
    });
    response.writeHead(answer.status, headersOf(answer, server.secret));
    // A stream may say nothing for long, and is open all the same.
    response.flushHeaders();
    await pipeline(answer.body, withoutSecret(server.secret), response).catch(() => {
      // Either side went away in the middle; the other learns of it by the end of its connection.
    });
  };

  return (request: IncomingMessage) => {
    const server = byTarget.get(request.url ?? '');
    if (server === undefined || !methods.has(request.method ?? '')) return undefined;
    return (response: ServerResponse) => carry(server, request, response);
  };
}

// --- Internal helpers ---

const methods = new Set(['POST', 'GET', 'DELETE']);

/** Resolves with the head of the answer. `client` ends it in either state. */
async function ask(
  server: SecretMcpServer,
  request: IncomingMessage,
  egress: Egress,
  client: AbortSignal,
): Promise<AnswerOver> {
  const url = new URL(server.url);
  const late = new AbortController();
  const timeout = Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' });
  const timer = setTimeout(() => late.abort(timeout), answerTimeoutMs);
  const signal = AbortSignal.any([client, late.signal]);
  const { method = 'GET' } = request;
  try {
    const socket = await egress.dial(targetOf(url), signal);
    const headers = headersFor(server, request.headers);
    if (method !== 'POST') return await requestOver(socket, url, { method, headers, signal });
    // Not every server takes a body of unknown length.
    const length = request.headers['content-length'];
    const framed = length === undefined ? headers : { ...headers, 'content-length': length };
    return await requestOver(socket, url, { method, headers: framed, body: request, signal });
  } finally {
    clearTimeout(timer);
  }
}

/** Of the transport itself. How a body is framed is the connection's business. */
const protocolHeader = /^(accept|content-type|last-event-id|mcp-[a-z0-9-]+)$/;
/** What would say where a request goes, how it is framed, or who asks. */
const ownHeader = /^(host|connection|keep-alive|te|trailer|transfer-encoding|upgrade|expect|content-.*|proxy-.*)$/;

function headersFor({ secret, headers }: SecretMcpServer, client: IncomingHttpHeaders): Record<string, string> {
  const crossing = Object.entries(client).filter(
    ([name]) => protocolHeader.test(name) || (headers.includes(name) && !ownHeader.test(name)),
  );
  return {
    ...Object.fromEntries(crossing.map(([name, value]) => [name, String(value)])),
    'accept-encoding': 'identity',
    'user-agent': 'runyard',
    authorization: `Bearer ${secret}`,
  };
}

/** Why the answer does not pass: what it says is for the gateway, or cannot be read along. */
function faultOf({ status, headers }: AnswerOver): string | undefined {
  if (status < 200 || (status >= 300 && status < 400))
    return `answered with a redirect (${status}), which is not followed`;
  if (status === 401) return 'answered 401: it does not take the secret';
  if ((headers['content-encoding'] ?? 'identity') !== 'identity') return 'compressed its answer unasked';
  return undefined;
}

/** What the client may know of an answer: nothing that sends it elsewhere, or makes it ask for another credential. */
function headersOf({ headers }: AnswerOver, secret: string): OutgoingHttpHeaders {
  const crossing = Object.entries(headers).filter(
    ([name, value]) => /^(content-type|retry-after|mcp-[a-z0-9-]+)$/.test(name) && !String(value).includes(secret),
  );
  return Object.fromEntries(crossing);
}
