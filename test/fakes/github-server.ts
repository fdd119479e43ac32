import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What GitHub's REST API answers to the next request, in order; a request that no answer was scripted for is a 599. */
export type Scripted =
  | {
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly json?: unknown;
      readonly text?: string;
    }
  /** Reads the whole request, then cuts the connection without a word. */
  | 'reset'
  /** Reads the whole request and never answers. */
  | 'silence';

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface GithubServer {
  readonly url: string;
  readonly seen: readonly SeenRequest[];
  close(): Promise<void>;
}

/** A scripted HTTP server on loopback in place of api.github.com. `port` 0 takes a free one. */
export async function startGithubServer(script: readonly Scripted[], port = 0): Promise<GithubServer> {
  const answers = [...script];
  const seen: SeenRequest[] = [];
  const server = createServer(async (request, response) => {
    seen.push(await read(request));
    const next = answers.shift() ?? { status: 599, json: { message: 'no answer was scripted for this request' } };
    if (next === 'reset') request.socket.resetAndDestroy();
    else if (next !== 'silence') answer(response, next);
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${portOf(server.address())}`,
    seen,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/**
 * A port on loopback that refuses connections now. Below those that the kernel gives away by itself: another test that
 * asks for any port is not given this one.
 */
export async function unusedPort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000);
    const server = createServer();
    const free = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true));
    });
    await new Promise((resolve) => server.close(resolve));
    if (free) return port;
  }
}

/** The answer of GitHub to a created issue, cut to what matters. */
export function created(number: number, repo: string): Scripted {
  return { status: 201, json: { number, html_url: `https://github.com/${repo}/issues/${number}`, state: 'open' } };
}

async function read(request: IncomingMessage): Promise<SeenRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const { method = '', url = '', headers } = request;
  return { method, path: url, headers, body: Buffer.concat(chunks).toString() };
}

function answer(response: ServerResponse, { status, headers, json, text }: Exclude<Scripted, string>): void {
  const type = json === undefined ? 'text/html; charset=utf-8' : 'application/json; charset=utf-8';
  response
    .writeHead(status, { 'content-type': type, ...headers })
    .end(json === undefined ? text : JSON.stringify(json));
}

function portOf(address: string | AddressInfo | null): number {
  if (address === null || typeof address === 'string') throw new Error('the server listens on no port');
  return address.port;
}
