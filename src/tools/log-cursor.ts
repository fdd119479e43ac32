import { RunyardError } from '../contracts/errors.ts';
import type { TaskId } from '../contracts/ids.ts';

/** A place in the log of one run: the seq of the first line that was not seen yet. */
export function encodeCursor(id: TaskId, run: number, seq: number): string {
  return Buffer.from(`${id}/${run}/${seq}`).toString('base64url');
}

/** The seq of a cursor of this task and run; 0 for the word `start`. Throws `invalid_request` for any other. */
export function decodeCursor(cursor: string, id: TaskId, run: number): number {
  if (cursor === 'start') return 0;
  const [, cursorId, cursorRun, seq] =
    /^([^/]+)\/(\d{1,4})\/(\d{1,12})$/.exec(Buffer.from(cursor, 'base64url').toString()) ?? [];
  if (seq === undefined) throw refusal('is no cursor of get_task_logs');
  if (cursorId !== id) throw refusal('belongs to another task');
  if (Number(cursorRun) !== run) throw refusal(`belongs to run ${cursorRun}`);
  return Number(seq);
}

function refusal(fault: string): RunyardError {
  return new RunyardError('invalid_request', `cursor: ${fault}`, {
    hint: 'Leave cursor out to read the end of the log, or give "start" to read from its first line.',
  });
}
