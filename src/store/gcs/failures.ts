import { AccessExpired, RunyardError } from '../../contracts/errors.ts';
import { isMissingCredential, statusOfFailure, TransientError } from '../../lib/google.ts';
import type { GcsPlace } from './access.ts';

/** What Cloud Storage refuses, in our words. */

export type Doing = 'read' | 'written';

/** An object stands under this name, as Google says it to who may overwrite, and to who may only create. */
export function isTaken(error: unknown): boolean {
  const status = statusOfFailure(error);
  return status === 412 || (status === 403 && permissionIn(textOf(error)) === 'storage.objects.delete');
}

/** There is no such object; a bucket that is not there is another matter. */
export function isAbsent(error: unknown): boolean {
  return statusOfFailure(error) === 404 && !/bucket does not exist/i.test(textOf(error));
}

/** Asked for an object, Google wants the right to list of who may read it: it is not there. */
export function isHidden(error: unknown): boolean {
  return statusOfFailure(error) === 403 && permissionIn(textOf(error)) === 'storage.objects.list';
}

export function inWords(doing: Doing, error: unknown, place: GcsPlace): RunyardError {
  if (error instanceof RunyardError) return error;
  const cause = withoutCredentials(error);
  if (doing === 'read' && place.readToken !== undefined) {
    const status = statusOfFailure(error);
    if (status === 401) {
      return new AccessExpired(`The token for reading the bucket ${place.bucket} has ended.`, {
        hint: 'Launch the task again, which brings a new one.',
        cause,
      });
    }
    if (status === 403) {
      return new RunyardError('forbidden', `The token for reading the bucket ${place.bucket} is for something else.`, {
        hint: 'Run "runyard deploy": the server needs storage.objects.get to give a token that reads.',
        cause,
      });
    }
  }
  const { message, ...next } = sentenceOf(doing, error, place);
  return new RunyardError('backend_error', message, { ...next, cause });
}

interface Sentence {
  readonly message: string;
  readonly hint: string;
  /** As the catalogue says where not given. */
  readonly retryable?: boolean;
}

function sentenceOf(doing: Doing, error: unknown, { bucket, endpoint }: GcsPlace): Sentence {
  const status = statusOfFailure(error);
  if (isMissingCredential(error)) {
    return {
      message: `There are no Google credentials for the bucket ${bucket}.`,
      hint: 'Run "gcloud auth application-default login", or name a key file in GOOGLE_APPLICATION_CREDENTIALS.',
      retryable: false,
    };
  }
  if (status === 401) {
    return {
      message: `Google does not take the credentials for the bucket ${bucket}.`,
      hint: 'Run "gcloud auth application-default login" anew, or correct GOOGLE_APPLICATION_CREDENTIALS.',
      retryable: false,
    };
  }
  if (status === 403) return forbiddenIn(bucket, textOf(error));
  if (status === 404) {
    return {
      message: `The bucket ${bucket} does not exist.`,
      hint: 'Run "runyard deploy", which makes it, or correct RUNYARD_BUCKET.',
      retryable: false,
    };
  }
  const where = endpoint === undefined ? '' : ` at ${endpoint}`;
  const how = status === undefined ? withoutAnswer(error) : `Google answered ${status}`;
  return {
    message: `The bucket ${bucket} cannot be ${doing}${where}: ${how}.`,
    hint:
      status === undefined ? 'Check the network and RUNYARD_STORAGE_ENDPOINT, then call again.' : 'Call again later.',
  };
}

function forbiddenIn(bucket: string, text: string): Sentence {
  const account = /([\w.+-]+@[\w.-]+\w)/.exec(text)?.[1] ?? 'This account';
  const permission = permissionIn(text) ?? 'a permission that it needs';
  return {
    message: `${account} lacks ${permission} on the bucket ${bucket}.`,
    hint: 'Run "runyard deploy", which grants it; a grant takes effect within minutes.',
    retryable: false,
  };
}

function permissionIn(text: string): string | undefined {
  return /\bstorage\.[a-zA-Z]+\.[a-zA-Z]+\b/.exec(text)?.[0];
}

function withoutAnswer(error: unknown): string {
  if (error instanceof TransientError) return error.message;
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ECONNREFUSED') return 'connection refused';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'its host has no address';
  if (error instanceof Error && error.name === 'TimeoutError') return 'no answer came in time';
  return typeof code === 'string' ? `no answer (${code})` : 'the request failed';
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : JSON.stringify(error);
}

/** Google's errors carry the request with its bearer token, and the address of an upload opens it: neither is logged. */
function withoutCredentials(error: unknown): Error {
  const clean = (text: string) => text.replace(/upload_id=[^\s&]+/g, 'upload_id=…');
  const kept = new Error(clean(textOf(error)));
  if (error instanceof Error && error.stack !== undefined) kept.stack = clean(error.stack);
  return kept;
}
