import type { IncomingMessage } from 'node:http';
import { RunyardError } from '../contracts/errors.ts';
import { limits } from '../contracts/limits.ts';
import { holdsMoreValues } from '../lib/json-weight.ts';
import { HttpError } from './http-error.ts';

/** The JSON of a request's body; an empty object where there is none. Throws an error that names the body. */
export async function readJsonBody(request: IncomingMessage): Promise<unknown> {
  refuseLongBody(request);
  const chunks: Buffer[] = [];
  let bytes = 0;
  // A body that is given up in the middle still has to be taken, or its sender never reads the answer.
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    bytes += chunk.length;
    if (bytes > limits.httpBodyBytesMax) throw tooLarge();
    chunks.push(chunk);
  }
  if (bytes === 0) return {};
  checkContentType(request.headers['content-type']);
  return parseJson(Buffer.concat(chunks));
}

/** Before any of it is read. Throws where the request itself says that its body is too long. */
export function refuseLongBody({ headers }: IncomingMessage): void {
  if (Number(headers['content-length'] ?? 0) > limits.httpBodyBytesMax) throw tooLarge();
}

/** A web page can send other types without being asked first. */
function checkContentType(contentType: string | undefined): void {
  if (contentType?.split(';')[0]?.trim().toLowerCase() === 'application/json') return;
  throw new HttpError(415, 'body: must be application/json', 'Send the header "Content-Type: application/json".');
}

function parseJson(bytes: Buffer): unknown {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    if (holdsMoreValues(text, limits.httpBodyValuesMax)) throw tooManyValues();
    return JSON.parse(text);
  } catch (cause) {
    if (cause instanceof RunyardError) throw cause;
    throw new RunyardError('invalid_request', 'body: is not valid JSON', { cause });
  }
}

function tooManyValues(): RunyardError {
  return new RunyardError('invalid_request', `body: holds more than ${limits.httpBodyValuesMax} values`);
}

function tooLarge(): HttpError {
  const mebibytes = limits.httpBodyBytesMax / 1024 / 1024;
  return new HttpError(413, `body: is larger than ${mebibytes} MiB`, 'Send less: inline files hold 8 MiB in all.');
}
