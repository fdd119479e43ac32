import type { Caller } from '../contracts/caller.ts';
import type { EventStream } from '../contracts/event.ts';
import { hasEnded, runOutput, type TaskOutput, taskOutput } from '../contracts/task-output.ts';
import type { EventsPage, TaskView } from '../contracts/task-service.ts';
import type { Call } from './define-tool.ts';
import type { Tasks } from './services.ts';

/** The log of a task as it grows, for everything that tells of it. */

/** What is read of a log: the lines of one run, and how many of them at once. */
export interface LogReading {
  readonly task_id: string;
  /** Without it lines are those of run 0, and the end is that of the whole task. */
  readonly run?: number | undefined;
  readonly stream?: EventStream | undefined;
  readonly maxLines: number;
  /** Of the lines' own text. */
  readonly maxBytes: number;
}

export interface Seen {
  readonly view: TaskView;
  /** The output of what was asked for, the task or one run of it, once that has ended: then `page` lacks no line. */
  readonly end: TaskOutput | undefined;
  readonly page: EventsPage;
}

type Follows = Tasks<'look' | 'result' | 'events' | 'waitForEvents'>['tasks'];

/** The lines from `fromSeq` on, as soon as there is one of the wanted stream, at the end, or after `waitMs`. */
export async function nextLines(
  log: LogReading,
  place: { readonly fromSeq: number; readonly waitMs: number },
  { caller, signal }: Call,
  tasks: Follows,
): Promise<Seen> {
  const { task_id, run = 0 } = log;
  const until = log.run === undefined ? 'end of task' : 'end of run';
  const deadlineMs = performance.now() + place.waitMs;
  let { fromSeq } = place;
  for (;;) {
    // The end before the lines: what has ended writes no more, so that a page of it is complete.
    const view = await tasks.look(task_id, caller);
    const end = await endOf(log, view, caller, tasks);
    const page: EventsPage = await tasks.events(task_id, caller, { ...pageOf(log), fromSeq });
    const waitMs = deadlineMs - performance.now();
    if (page.lines.length > 0 || end !== undefined || waitMs <= 0 || signal.aborted) return { view, end, page };
    fromSeq = page.nextSeq;
    await tasks.waitForEvents(task_id, caller, { run, fromSeq, until, waitMs, signal });
  }
}

/** The output of what is read, the task or one run of it; undefined where it has not ended. */
export async function endOf(
  { run }: Pick<LogReading, 'run'>,
  view: TaskView,
  caller: Caller,
  tasks: Pick<Follows, 'result'>,
): Promise<TaskOutput | undefined> {
  if (run === undefined || view.record.runs === 1) return hasEnded(view) ? taskOutput(view) : undefined;
  const result = await tasks.result(view.record.id, caller, run);
  return result && runOutput(view.record, result);
}

export function pageOf({ run = 0, stream, maxLines, maxBytes }: LogReading) {
  const options = { run, maxLines, maxBytes };
  return stream === undefined ? options : { ...options, stream };
}
