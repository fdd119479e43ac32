import { Agent as HttpAgent, type IncomingMessage, type OutgoingHttpHeaders, request as requestHttp } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import type { ModelEndpoint } from '../contracts/task.ts';

/** The far side: the model endpoint, as the operator named it. */
export interface Endpoint {
  /**
   * One POST to a path below the base URL. Follows no redirect, knows no proxy, resolves with whatever was answered.
   * Throws what the connection threw. `signal` ends it in either state.
   */
  post(path: string, headers: OutgoingHttpHeaders, body: string, signal: AbortSignal): Promise<IncomingMessage>;
  close(): void;
}

/** The endpoint says something every few seconds while it streams, and a whole answer takes ten minutes at most. */
const silenceMs = 11 * 60_000;

export function openEndpoint({ baseUrl }: ModelEndpoint): Endpoint {
  const base = new URL(baseUrl);
  const secure = base.protocol === 'https:';
  const agent = secure ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true });
  const send = secure ? requestHttps : requestHttp;
  const prefix = base.pathname.replace(/\/$/, '');
  // A base URL often ends in the version that the paths begin with.
  const pathOf = (path: string) => prefix.replace(/\/v1$/, '') + path;

  return {
    post: (path, headers, body, signal) =>
      new Promise((resolve, reject) => {
        const { protocol, hostname, port } = base;
        const options = { protocol, hostname: hostname.replace(/^\[|\]$/g, ''), port, agent, signal, headers };
        const request = send({ ...options, method: 'POST', path: pathOf(path) }, resolve);
        request.setTimeout(silenceMs, () => request.destroy(new Error('the model endpoint was silent for too long')));
        request.on('error', reject);
        request.end(body);
      }),
    close: () => agent.destroy(),
  };
}
