import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import type { SecretMcpServer } from '../../src/contracts/gateway.ts';
import { openGateway } from '../../src/gateway/door.ts';
import { createEgress, type EgressOptions } from '../../src/gateway/egress.ts';
import { type ClientRequest, open, openDoor, send } from './gateway-harness.ts';

export const secret = 'a-token-that-nobody-inside-sees';

/** A far side that answers as the test says, and keeps what reached it. */
export async function farSide(answer: (request: IncomingMessage, response: ServerResponse) => void) {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, requests };
}

/** A gateway before one MCP server at that port. */
export async function gatewayTo(port: number, server: Partial<SecretMcpServer> = {}, egress?: EgressOptions) {
  const denied: { what: string; why: string }[] = [];
  const gateway = openGateway({
    onDenied: (denial) => denied.push(denial),
    egress: createEgress(egress ?? { privateTargets: [{ host: '127.0.0.1', port }] }),
    mcpServers: [{ name: 'far', url: `http://127.0.0.1:${port}/the/path?x=1`, secret, headers: [], ...server }],
  });
  const doorPort = await openDoor(gateway);
  onTestFinished(() => gateway.close());
  const asked = { path: '/mcp/far', body: '{"jsonrpc":"2.0"}' };
  return {
    gateway,
    denied,
    send: (request: Partial<ClientRequest> = {}) => send(doorPort, gateway.placeholderKey, { ...asked, ...request }),
    open: (request: Partial<ClientRequest> = {}) => open(doorPort, gateway.placeholderKey, { ...asked, ...request }),
  };
}

export const json = (response: ServerResponse, body: string) =>
  void response.writeHead(200, { 'content-type': 'application/json' }).end(body);
