import type { McpHandlerRequestOptions } from '@modelcontextprotocol/server';
import { limits } from '../contracts/limits.ts';
import { holdsMoreValues } from '../lib/json-weight.ts';

type Fetch = (request: Request, options?: McpHandlerRequestOptions) => Promise<Response>;

/**
 * Refuses a message of millions of values before the protocol looks at it: its check makes an issue of every wrong
 * one, which takes gigabytes and stops everybody else's calls.
 */
export function refuseHeavyMessages(fetch: Fetch): Fetch {
  return async (request, options) => {
    if (request.method !== 'POST') return fetch(request, options);
    const text = await request.text();
    if (holdsMoreValues(text, limits.httpBodyValuesMax)) return tooHeavy();
    const { url, method, headers, signal } = request;
    return fetch(new Request(url, { method, headers, signal, body: text }), options);
  };
}

function tooHeavy(): Response {
  const error = {
    code: -32600,
    message: `Invalid Request: the message holds more than ${limits.httpBodyValuesMax} values`,
  };
  return Response.json({ jsonrpc: '2.0', error, id: null }, { status: 400 });
}
