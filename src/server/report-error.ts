import { asRunyardError, RunyardError } from '../contracts/errors.ts';
import type { Logger } from '../lib/logger.ts';

/** The error of the catalogue that a caller is told; what is none of ours, or hides another, goes to the log in full. */
export function reportError(thrown: unknown, what: string, log: Logger): RunyardError {
  const error = asRunyardError(thrown);
  if (!(thrown instanceof RunyardError) || error.httpStatus >= 500)
    log.error({ error: thrown, code: error.code }, what);
  return error;
}
