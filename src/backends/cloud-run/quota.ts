import { RunyardError } from '../../contracts/errors.ts';

/** Keeps away from a quota that is used up until the time that Google named. */
export function createQuota() {
  let closedUntilMs = 0;
  let said = '';
  return {
    /** Throws what Google would answer, without asking. */
    refuseWhileClosed(): void {
      const waitMs = closedUntilMs - Date.now();
      if (waitMs <= 0) return;
      const retryAfterSeconds = Math.ceil(waitMs / 1000);
      throw new RunyardError('rate_limited', said, { retryAfterSeconds });
    },
    close({ message, retryAfterSeconds = 0 }: RunyardError): void {
      closedUntilMs = Math.max(closedUntilMs, Date.now() + retryAfterSeconds * 1000);
      said = message;
    },
  };
}
