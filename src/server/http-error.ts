import { RunyardError } from '../contracts/errors.ts';

/** An error of the catalogue for which HTTP has a status of its own. */
export class HttpError extends RunyardError {
  readonly status: number;
  /** The methods that the resource has, where the status is 405. */
  readonly allow: readonly string[];

  constructor(status: number, message: string, hint: string, allow: readonly string[] = []) {
    super('invalid_request', message, { hint });
    this.status = status;
    this.allow = allow;
  }
}
