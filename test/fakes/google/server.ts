import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { answerOfFailure, failureOfStatus, GoogleFailure } from './failure.ts';

/** What all of the fakes can be told. */
export interface GoogleFakeOptions {
  /** A free one where not given. */
  readonly port?: number;
  /** Asked before every act; everything is allowed where not given. */
  readonly authorize?: Authorize;
  /** What goes wrong with a request; asked once for each. */
  readonly disturb?: (request: RecordedRequest) => Disturbance | undefined;
}

/** `token` is that of the `Authorization` header; undefined where there is none. */
export type Authorize = (act: {
  readonly token: string | undefined;
  readonly permission: string;
  readonly resource: string;
}) => boolean;

export type Disturbance =
  /** Refused before it is looked at, in Google's words for this HTTP status. */
  | { readonly kind: 'refuse'; readonly status: number }
  /** The connection is cut: before the request is carried out, or after it, with the answer lost. */
  | { readonly kind: 'cut'; readonly carriedOut: boolean }
  | { readonly kind: 'silence' }
  | { readonly kind: 'delay'; readonly ms: number }
  /** The answer arrives changed. */
  | { readonly kind: 'damage'; readonly change: (body: string) => string }
  /** Refused with this failure. */
  | { readonly kind: 'fail'; readonly failure: GoogleFailure };

export interface RecordedRequest {
  readonly method: string;
  /** Path and query, as they came. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly token: string | undefined;
}

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface GoogleServer {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** Every request so far, in order of arrival. */
  readonly requests: readonly RecordedRequest[];
  close(): Promise<void>;
}

/** One HTTP/JSON service on loopback. What `carryOut` throws becomes an answer in Google's words. */
export async function startGoogleServer(
  carryOut: (request: RecordedRequest) => Answer | Promise<Answer>,
  { port = 0, disturb = () => undefined }: Omit<GoogleFakeOptions, 'authorize'>,
): Promise<GoogleServer> {
  const requests: RecordedRequest[] = [];
  const server = createServer(async (incoming, response) => {
    const request = await recordOf(incoming);
    if (request === undefined) return;
    requests.push(request);
    await answer(request, response, disturb(request), carryOut);
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the fake has no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    requests,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** What Google's front end says of an address that no service has. */
export const noSuchAddress: Answer = {
  status: 404,
  headers: { 'content-type': 'text/html; charset=UTF-8' },
  body: '<!DOCTYPE html>\n<html lang=en><title>Error 404 (Not Found)!!1</title>\n',
};

export function json(value: unknown): Answer {
  return { status: 200, body: JSON.stringify(value, null, 2) };
}

// --- Internal helpers ---

async function answer(
  request: RecordedRequest,
  response: ServerResponse,
  disturbance: Disturbance | undefined,
  carryOut: (request: RecordedRequest) => Answer | Promise<Answer>,
): Promise<void> {
  if (disturbance?.kind === 'silence') return;
  if (disturbance?.kind === 'delay') await delay(disturbance.ms);
  if (disturbance?.kind === 'cut' && !disturbance.carriedOut) return cut(response);
  const outcome = await settled(() => {
    if (disturbance?.kind === 'refuse') throw failureOfStatus(disturbance.status);
    if (disturbance?.kind === 'fail') throw disturbance.failure;
    return carryOut(request);
  });
  if (disturbance?.kind === 'cut') return cut(response);
  const body = disturbance?.kind === 'damage' ? disturbance.change(outcome.body) : outcome.body;
  response.writeHead(outcome.status, { 'content-type': 'application/json; charset=UTF-8', ...outcome.headers });
  response.end(body);
}

async function settled(work: () => Answer | Promise<Answer>): Promise<Answer> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof GoogleFailure) return answerOfFailure(error);
    return answerOfFailure(new GoogleFailure('INTERNAL', `the fake broke: ${error}`));
  }
}

function cut(response: ServerResponse): void {
  response.socket?.resetAndDestroy();
}

async function recordOf(incoming: IncomingMessage): Promise<RecordedRequest | undefined> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of incoming) chunks.push(chunk);
  } catch {
    return undefined; // The other side went away: there is nobody to answer.
  }
  const { method = '', url = '', headers } = incoming;
  const token = /^Bearer (.+)$/i.exec(headers.authorization ?? '')?.[1];
  return { method, url, headers, body: Buffer.concat(chunks).toString('utf8'), token };
}
