import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { DialTarget } from '../../src/contracts/egress.ts';

/** One request to a receiver of webhooks. */
export interface Received {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly atMs: number;
}

export interface WebhookReceiver {
  /** In the order of their arrival. */
  readonly received: readonly Received[];
  readonly target: DialTarget;
  readonly url: string;
  close(): Promise<void>;
}

/** A receiver on loopback. `answer` says with which status, to the how-manieth request; `hang` never answers. */
export async function startReceiver(answer: (index: number) => number | 'hang' = () => 200): Promise<WebhookReceiver> {
  const received: Received[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    received.push({ headers: single(request.headers), body, atMs: Date.now() });
    const status = answer(received.length - 1);
    if (status !== 'hang') response.writeHead(status).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    received,
    target: { host: '127.0.0.1', port },
    url: `http://127.0.0.1:${port}/hook`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function single(headers: IncomingHttpHeaders): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
}
