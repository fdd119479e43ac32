import type { ServerResponse } from 'node:http';
import { errorCatalogue, type RunyardError } from '../contracts/errors.ts';

/** RFC 9457, with the code and the hint of the catalogue. */
export function problemOf(error: RunyardError, status: number = error.httpStatus) {
  return {
    type: 'about:blank',
    title: errorCatalogue[error.code].message,
    status,
    detail: error.message,
    code: error.code,
    hint: error.hint,
    retryable: error.retryable,
  };
}

/** `status` where HTTP has a better word for it than the catalogue. */
export function sendProblem(response: ServerResponse, error: RunyardError, status: number = error.httpStatus): void {
  if (error.code === 'unauthorized') response.setHeader('WWW-Authenticate', 'Bearer realm="runyard"');
  if (error.retryAfterSeconds !== undefined) response.setHeader('Retry-After', Math.ceil(error.retryAfterSeconds));
  send(response, status, 'application/problem+json', problemOf(error, status));
}

export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  send(response, status, 'application/json', value);
}

function send(response: ServerResponse, status: number, contentType: string, value: unknown): void {
  const body = Buffer.from(JSON.stringify(value));
  response.writeHead(status, {
    'Content-Type': contentType,
    'Content-Length': body.length,
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
  });
  response.end(body);
}
