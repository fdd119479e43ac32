import type { IncomingHttpHeaders } from 'node:http';
import { RunyardError } from '../contracts/errors.ts';
import { isLoopback } from './loopback.ts';

/**
 * Keeps web pages out. A page that rebinds its own name to a loopback server shows itself by `Host`; one that calls
 * another site shows itself by `Origin`. Throws `forbidden`.
 */
export function checkBrowserHeaders({ host, origin }: IncomingHttpHeaders, servedHost: string): void {
  const asked = hostnameOf(`http://${host}`);
  if (asked === undefined) throw new RunyardError('invalid_request', 'The Host header is missing or wrong.');
  if (isLoopback(servedHost) && !isLoopback(asked)) {
    throw new RunyardError('forbidden', 'The Host header does not name this machine.', {
      hint: 'Call http://127.0.0.1 or http://localhost; a server for others needs --api-keys (RUNYARD_API_KEYS).',
    });
  }
  if (origin === undefined) return;
  const from = hostnameOf(origin);
  if (from !== undefined && (from === asked || (isLoopback(asked) && isLoopback(from)))) return;
  throw new RunyardError('forbidden', 'Web pages of other sites may not call this server.', {
    hint: 'Call it from a program, without an Origin header.',
  });
}

function hostnameOf(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).hostname : undefined;
}
