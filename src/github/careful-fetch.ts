import type { Logger } from '../lib/logger.ts';
import type { Patience } from './patience.ts';

/** Failures of finding and reaching the host: no byte of the request was sent. */
const beforeSending = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EHOSTDOWN',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** What one call knows of its own request, so that an error can say whether something may have been done. */
export interface Attempt {
  /** A try was begun whose end is not known. */
  mayBeCarriedOut: boolean;
}

const firstGapMs = 250;

/** A fetch that tries again where no connection could be made, as long as patience lasts, and never otherwise. */
export function carefulFetch(attempt: Attempt, patience: Patience, log: Logger): typeof fetch {
  const tryOnce = async (
    input: Parameters<typeof fetch>[0],
    init: RequestInit | undefined,
    gapMs: number,
  ): Promise<Response> => {
    init?.signal?.throwIfAborted();
    attempt.mayBeCarriedOut = true;
    try {
      return await fetch(input, init);
    } catch (error) {
      const code = networkCode(error);
      if (!beforeSending.has(code)) throw error;
      attempt.mayBeCarriedOut = false;
      if (!(await patience.wait(gapMs))) throw error;
      log.info({ code }, 'GitHub could not be reached; trying again');
      return tryOnce(input, init, gapMs * 2);
    }
  };
  return (input, init) => tryOnce(input, init, firstGapMs);
}

/** The system's own code of a failed fetch, such as `ECONNRESET`; an empty text where it names none. */
export function networkCode(error: unknown): string {
  if (!(error instanceof Error)) return '';
  if ('code' in error && typeof error.code === 'string') return error.code;
  return networkCode(error.cause);
}
