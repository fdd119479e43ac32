import { randomUUID } from 'node:crypto';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { NodeStreamableHTTPServerTransport, toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import { z } from 'zod';
import type { Certificate } from './certificate.ts';

/** One request as it arrived; `authorization` is empty where there was none. */
export interface McpRequest {
  readonly method: string;
  readonly url: string;
  readonly authorization: string;
  readonly headers: IncomingMessage['headers'];
}

export interface McpServerFake {
  readonly port: number;
  /** `http(s)://HOST:PORT/mcp`. */
  readonly url: string;
  readonly requests: readonly McpRequest[];
  close(): Promise<void>;
}

export interface McpServerOptions {
  /** The name in the url; its address is always the loopback. */
  readonly host?: string;
  /** The only bearer token that is taken; none is needed where not given. */
  readonly token?: string;
  readonly tls?: Certificate;
  /** The 2025 revisions alone, with sessions, a stream of events and DELETE; else the newest revision too, without. */
  readonly sessions?: boolean;
}

/**
 * A real MCP server of the official SDK on loopback. `greet` says "from afar", `whoami` repeats the authorization that
 * came with the call, as a server would that tells too much.
 */
export async function startMcpServer(options: McpServerOptions = {}): Promise<McpServerFake> {
  const { host = '127.0.0.1', token, tls, sessions = false } = options;
  const requests: McpRequest[] = [];
  const build = () => {
    const mcp = new McpServer({ name: 'far', version: '1' });
    const inputSchema = z.object({});
    const told = (text: string) => ({ content: [{ type: 'text' as const, text }] });
    mcp.registerTool('greet', { description: 'Greets', inputSchema }, async () => told('from afar'));
    mcp.registerTool('whoami', { description: 'Who', inputSchema }, async () => told(requests.at(-1)!.authorization));
    return mcp;
  };
  const handle = sessions ? inSessions(build) : toNodeHandler(createMcpHandler(build));

  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const { method = '', url = '', headers } = request;
    requests.push({ method, url, authorization: headers.authorization ?? '', headers });
    if (url !== '/mcp') return void response.writeHead(404).end();
    if (token !== undefined && headers.authorization !== `Bearer ${token}`) {
      return void response.writeHead(401, { 'www-authenticate': 'Bearer error="invalid_token"' }).end();
    }
    await handle(Object.assign(request, { method, url }), response);
  };
  const server = tls === undefined ? createHttpServer(answer) : createHttpsServer({ ...tls }, answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the MCP server has no port');
  return {
    port: address.port,
    url: `${tls === undefined ? 'http' : 'https'}://${host}:${address.port}/mcp`,
    requests,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

// --- Internal helpers ---

function inSessions(build: () => McpServer) {
  const open = new Map<string, NodeStreamableHTTPServerTransport>();
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const known = open.get(String(request.headers['mcp-session-id']));
    if (known !== undefined) return known.handleRequest(request, response);
    const transport = new NodeStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => void open.set(id, transport),
      onsessionclosed: (id) => void open.delete(id),
    });
    await build().connect(transport);
    await transport.handleRequest(request, response);
  };
}
