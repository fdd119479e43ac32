import type { TaskId } from '../contracts/ids.ts';
import type { TaskRecord } from '../contracts/task.ts';
import { encodeCursor } from './log-cursor.ts';

/**
 * A place in the log of a task, over all its runs: run -> the seq of its first line that was not told yet, in order of
 * the runs. A run below the newest that is not named was told whole; those above it were not begun.
 */
export type LogPlace = ReadonlyMap<number, number>;

/** How many runs are told of at a time: what bounds a place, and what following a task costs. */
export const runsAtOnce = 16;

const end = 'end';

/** Where everything of the task was told, its end too. */
export function encodeEnd(id: TaskId): string {
  return Buffer.from(`${id}/${end}`).toString('base64url');
}

/** Of one run it is the cursor of get_task_logs. */
function encodePlace(id: TaskId, place: LogPlace): string {
  const [[run, seq] = [0, 0]] = place;
  if (place.size === 1) return encodeCursor(id, run, seq);
  const seqs = [...place].map(([each, next]) => `${each}/${next}`);
  return Buffer.from(`${id}/${seqs.join(',')}`).toString('base64url');
}

const written = /^(?<id>[^/]+)\/(?:(?<end>end)|(?<seqs>\d{1,4}\/\d{1,12}(?:,\d{1,4}\/\d{1,12})*))$/;

/** The place, of `run` alone where given; undefined where the text says none in this task. */
export function decodePlace(
  text: string,
  { id, runs }: Pick<TaskRecord, 'id' | 'runs'>,
  run: number | undefined,
): LogPlace | typeof end | undefined {
  const said = written.exec(Buffer.from(text, 'base64url').toString())?.groups;
  if (said?.id !== id) return undefined;
  if (said.seqs === undefined) return end;
  const seqs = said.seqs.split(',').map((each) => each.split('/').map(Number) as [number, number]);
  const inOrder = seqs.every(([each], index) => each < runs && each > (seqs[index - 1]?.[0] ?? -1));
  const isWanted = run === undefined || (seqs.length === 1 && seqs[0]?.[0] === run);
  return inOrder && isWanted && seqs.length <= runsAtOnce + 1 ? new Map(seqs) : undefined;
}

/** Keeps the place while a task is told of. */
export interface Telling {
  /** The seq to tell the run from. */
  begin(run: number): number;
  /** The line of this seq is told: the place after it, as text. */
  told(run: number, seq: number): string;
  /** Nothing of the run is left to tell. */
  end(run: number): void;
}

export function startTelling(id: TaskId, from: LogPlace): Telling {
  const place = new Map(from);
  const ended = new Set<number>();
  /** The newest stays, whatever became of it: it says how far the runs were begun. */
  const forgetEnded = () => {
    const newest = Math.max(...place.keys());
    for (const run of ended) {
      if (run < newest) place.delete(run);
    }
  };
  return {
    begin(run) {
      const seq = place.get(run) ?? 0;
      place.set(run, seq);
      forgetEnded();
      return seq;
    },
    told(run, seq) {
      place.set(run, seq + 1);
      return encodePlace(id, place);
    },
    end(run) {
      ended.add(run);
      forgetEnded();
    },
  };
}
