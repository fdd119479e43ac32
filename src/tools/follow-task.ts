import { limits } from '../contracts/limits.ts';
import type { TaskRecord } from '../contracts/task.ts';
import { hasEnded, type TaskOutput, taskOutput } from '../contracts/task-output.ts';
import { concurrently } from '../lib/concurrently.ts';
import type { Call } from './define-tool.ts';
import { nextLines } from './follow-log.ts';
import { type LogLine, logLineOf } from './log-line.ts';
import { type LogPlace, runsAtOnce, startTelling } from './log-place.ts';
import type { Tasks } from './services.ts';

/** The lines of a task as they come, over all its runs: what `get_task_logs` reads, followed to its end. */

export interface Followed {
  readonly record: TaskRecord;
  /** Where it has several: of this one alone. */
  readonly run?: number | undefined;
  readonly from: LogPlace;
}

export interface PlacedLine {
  readonly line: LogLine;
  /** The place after it, as text. */
  readonly place: string;
}

const page = { maxLines: 1000, maxBytes: limits.eventFlushBytes };

/**
 * Tells every line from a place on, those of one run in order, and resolves at the end with the output of what was
 * followed; with undefined where the signal is aborted before. Of each run that is told of it reads on only when `tell`
 * has resolved; what `tell` was handed counts as told.
 */
export async function followTask(
  { record, run, from }: Followed,
  { caller, signal }: Call,
  tasks: Tasks<'look' | 'result' | 'events' | 'waitForEvents'>['tasks'],
  tell: (lines: readonly PlacedLine[]) => Promise<void>,
): Promise<TaskOutput | undefined> {
  const failure = new AbortController();
  const call: Call = { caller, signal: AbortSignal.any([signal, failure.signal]) };
  const telling = startTelling(record.id, from);

  const followRun = async (each: number): Promise<TaskOutput | undefined> => {
    let fromSeq = telling.begin(each);
    while (!call.signal.aborted) {
      const place = { fromSeq, waitMs: limits.waitSecondsMax * 1000 };
      const seen = await nextLines({ task_id: record.id, run: each, ...page }, place, call, tasks);
      if (call.signal.aborted) return undefined;
      await tell(seen.page.lines.map((line) => ({ line: logLineOf(line), place: telling.told(each, line.seq) })));
      fromSeq = seen.page.nextSeq;
      if (seen.end === undefined || fromSeq < seen.page.totalLines) continue;
      telling.end(each);
      return seen.end;
    }
    return undefined;
  };

  const isOne = run !== undefined || record.runs === 1;
  const runs = run === undefined ? runsFrom(from, record) : [run];
  const [output] = await concurrently(runs, runsAtOnce, async (each) => {
    try {
      const end = await followRun(each);
      // The ends of a thousand runs would be much to hold.
      return isOne ? end : undefined;
    } catch (error) {
      failure.abort();
      throw error;
    }
  });
  if (isOne || signal.aborted) return output;
  const view = await tasks.look(record.id, caller);
  return hasEnded(view) ? taskOutput(view) : undefined;
}

function runsFrom(from: LogPlace, { runs }: TaskRecord): number[] {
  const begun = [...from.keys()];
  const next = (begun.at(-1) ?? -1) + 1;
  return [...begun, ...Array.from({ length: runs - next }, (_, index) => next + index)];
}
