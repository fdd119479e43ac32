import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect, createServer } from 'node:net';
import { onTestFinished } from 'vitest';
import type { Gateway } from '../../src/contracts/gateway.ts';
import type { HostRule } from '../../src/contracts/hosts.ts';
import type { ModelEndpoint } from '../../src/contracts/task.ts';
import { openGateway } from '../../src/gateway/door.ts';
import { createEgress, type EgressOptions } from '../../src/gateway/egress.ts';
import { type ModelServer, type ModelServerOptions, type Script, startModelServer } from '../fakes/model-server.ts';

export const realKey = 'sk-ant-api03-the-real-key-of-the-operator';

export interface Setup {
  readonly gateway: Gateway;
  readonly upstream: ModelServer;
  readonly port: number;
  readonly denied: { what: string; why: string }[];
  send(request?: Partial<ClientRequest>): Promise<ClientAnswer>;
}

export interface ClientRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: unknown;
}

export interface ClientAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** A gateway before a scripted model, with the door's listener on this machine's loopback. */
export async function setUp(
  script: Script,
  options: {
    models?: string[];
    maxBudgetUsd?: number;
    hosts?: HostRule[];
    egress?: EgressOptions;
    credential?: ModelEndpoint['credential'];
    server?: ModelServerOptions;
  } = {},
): Promise<Setup> {
  const upstream = await startModelServer(script, { key: realKey, ...options.server });
  const denied: { what: string; why: string }[] = [];
  const gateway = openGateway({
    endpoint: { baseUrl: upstream.url, credential: options.credential ?? { kind: 'api_key', value: realKey } },
    ...(options.models === undefined ? {} : { models: options.models }),
    ...(options.maxBudgetUsd === undefined ? {} : { maxBudgetUsd: options.maxBudgetUsd }),
    onDenied: (denial) => denied.push(denial),
    egress: createEgress(options.egress ?? { privateTargets: [] }),
    ...(options.hosts === undefined ? {} : { hosts: options.hosts }),
  });
  const port = await openDoor(gateway);
  onTestFinished(async () => {
    await gateway.close();
    await upstream.close();
  });
  return { gateway, upstream, port, denied, send: (request = {}) => send(port, gateway.placeholderKey, request) };
}

/** Gives the gateway a listener; resolves with its port. */
export async function openDoor(gateway: Gateway): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  gateway.serve(server);
  return port;
}

export const hello = {
  model: 'claude-opus-4-5',
  max_tokens: 100,
  stream: true,
  messages: [{ role: 'user', content: 'hello' }],
};

/** The request head of a call, not yet ended: for tests that look at the stream itself. */
export function open(port: number, key: string, request: Partial<ClientRequest> = {}) {
  const { method = 'POST', path = '/v1/messages?beta=true', headers = {}, body = hello } = request;
  const outgoing = httpRequest({
    host: '127.0.0.1',
    port,
    method,
    path,
    agent: false,
    headers: { 'content-type': 'application/json', 'x-api-key': key, ...headers },
  });
  outgoing.end(typeof body === 'string' ? body : JSON.stringify(body));
  return outgoing;
}

export function send(port: number, key: string, request: Partial<ClientRequest> = {}): Promise<ClientAnswer> {
  return new Promise((resolve, reject) => {
    open(port, key, request)
      .on('error', reject)
      .on('response', (response: IncomingMessage) => {
        let text = '';
        response
          .setEncoding('utf8')
          .on('data', (chunk) => {
            text += chunk;
          })
          .on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }))
          .on('error', reject);
      });
  });
}

/** Bytes as they are: what no client library would send. Resolves with all that came back. */
export function sendRaw(port: number, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect(port, '127.0.0.1', () => socket.end(bytes));
    socket
      .setEncoding('utf8')
      .on('data', (chunk) => {
        text += chunk;
      })
      .on('end', () => resolve(text))
      .on('error', reject);
  });
}
