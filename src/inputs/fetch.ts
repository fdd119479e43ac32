import type { IncomingMessage } from 'node:http';
import type { Egress } from '../contracts/egress.ts';
import { RunyardError } from '../contracts/errors.ts';
import { requestOver, targetOf } from '../lib/request-over.ts';

const redirectsMax = 5;

/** The body of an archive on the web, to be destroyed by whoever asked for it. Redirects are followed on the same host only; only https is spoken. */
export async function fetchArchive(egress: Egress, address: string, signal: AbortSignal): Promise<IncomingMessage> {
  let url = parse(address);
  for (let redirects = 0; redirects <= redirectsMax; redirects++) {
    const socket = await egress.dial(targetOf(url), signal);
    const headers = { accept: '*/*', 'user-agent': 'runyard' };
    const { status, headers: told, body } = await requestOver(socket, url, { method: 'GET', headers, signal });
    if (status === 200) return body;
    body.destroy();
    if (status < 300 || status > 399 || told.location === undefined)
      throw new RunyardError('invalid_request', `The server at ${url.host} answered ${status}.`);
    if (!URL.canParse(told.location, url.href))
      throw new RunyardError('invalid_request', `The server at ${url.host} redirects to what is no address.`);
    const next = parse(new URL(told.location, url).href);
    if (next.host !== url.host)
      throw new RunyardError(
        'egress_denied',
        `The server at ${url.host} redirects to ${next.host}, which is not followed.`,
      );
    url = next;
  }
  throw new RunyardError('invalid_request', `The server at ${url.host} redirects too often.`);
}

function parse(address: string): URL {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url?.protocol === 'https:' && url.username === '' && url.password === '') return url;
  throw new RunyardError('invalid_request', 'It is no https:// address without a user name.');
}
