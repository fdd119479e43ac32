import { RunyardError } from '../../contracts/errors.ts';

const clockOffMaxMs = 5 * 60_000;

/**
 * Ages of tasks and claims are told by several clocks, and Google takes no token of a clock that is far off. `date` is the
 * header of an answer that Google gave just now. Returns by how many milliseconds this clock is ahead of it (0 where
 * there is no such header); throws `backend_error` where that is too much.
 */
export function refuseWrongClock(date: string | null): number {
  const offMs = date === null ? 0 : Date.now() - Date.parse(date);
  if (!(Math.abs(offMs) > clockOffMaxMs)) return offMs;
  const off = `${Math.round(Math.abs(offMs) / 60_000)} minutes ${offMs > 0 ? 'ahead of' : 'behind'}`;
  throw new RunyardError('backend_error', `The clock of this machine is ${off} Google's.`, {
    hint: 'Set it (timedatectl set-ntp true), then call again.',
    retryable: false,
  });
}
