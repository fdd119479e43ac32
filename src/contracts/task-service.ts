import type { Artifact } from './artifact.ts';
import type { Caller } from './caller.ts';
import type { Event, EventStream } from './event.ts';
import type { TaskId } from './ids.ts';
import type { Size } from './limits.ts';
import type { RunResult, TaskOutcome, TaskRecord, TaskSpec, TaskStatus } from './task.ts';

/** What the tools can do with tasks. A task of another owner is `not_found`, like one that never was. */
export interface TaskService {
  /** Resolves when the task is durable. The same `idempotencyKey` with the same request gives the same id. */
  submit(task: NewTask, caller: Caller): Promise<TaskId>;
  /** The truth now. */
  look(id: TaskId, caller: Caller): Promise<TaskView>;
  /**
   * The truth as soon as the task has ended (where `run` is given: that run), or at the deadline; an aborted signal ends
   * the wait, not the task. Throws `invalid_request` where the task has no such run.
   */
  wait(id: TaskId, caller: Caller, options: WaitOptions & { readonly run?: number }): Promise<TaskView>;
  /** The whole result of one run; undefined where it has not ended. Throws as `wait` does. */
  result(id: TaskId, caller: Caller, run: number): Promise<RunResult | undefined>;
  cancel(id: TaskId, caller: Caller, options: WaitOptions): Promise<TaskView>;
  /** Newest first. */
  list(caller: Caller, options: ListTasksOptions): Promise<{ tasks: readonly TaskSummary[]; nextCursor?: string }>;
  /** Lines of one run from `fromSeq` on (forward), or the last ones that fit (where it is not given). */
  events(id: TaskId, caller: Caller, options: EventsOptions): Promise<EventsPage>;
  /** Resolves when a line of the run at or after `fromSeq` is there, at the end of what `until` says, or at the deadline. */
  waitForEvents(id: TaskId, caller: Caller, options: WaitOptions & EventsWait): Promise<void>;
  /** Bytes of an artifact. Throws `not_found` where the run left no such file. */
  artifact(id: TaskId, caller: Caller, options: ArtifactOptions): Promise<{ artifact: Artifact; bytes: Buffer }>;
}

export interface NewTask {
  readonly spec: TaskSpec;
  readonly runs: number;
  readonly size: Size;
  readonly timeoutSeconds: number;
  readonly metadata?: TaskRecord['metadata'];
  /** Where its end is told; checked at submit. */
  readonly callbackUrl?: string;
  readonly idempotencyKey?: string;
}

export interface TaskView {
  readonly record: TaskRecord;
  readonly status: TaskStatus;
  /** How many of its runs have ended. */
  readonly runsEnded: number;
  /** While it is unfinished: what keeps this server from learning what becomes of it, and what to do next. */
  readonly trouble?: string;
  /** Once it has ended: the result of the one run. */
  readonly result?: RunResult;
  /** Once it has ended: what several runs came to. */
  readonly outcome?: TaskOutcome;
}

export interface TaskSummary {
  readonly record: TaskRecord;
  readonly status: TaskStatus;
}

export interface WaitOptions {
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

export interface EventsWait {
  readonly run: number;
  readonly fromSeq: number;
  readonly until: 'end of run' | 'end of task';
}

/**
 * How a server notices what happens to the tasks it waits for, where no news comes by itself. What a task is asked for
 * grows rarer with its age.
 */
export interface Noticing {
  /** Between two looks at the store for one task: at first, and at most. */
  readonly firstLookMs: number;
  readonly maxLookMs: number;
  /** Of the whole server: looks that begin, and looks under way. */
  readonly looksPerSecond: number;
  readonly looksAtOnce: number;
  /** Between two questions to the backend about one task: at first, and at most. */
  readonly firstInspectionMs: number;
  readonly maxInspectionMs: number;
}

export interface ListTasksOptions {
  readonly status?: TaskStatus;
  readonly limit: number;
  readonly cursor?: string;
}

export interface EventsOptions {
  readonly run: number;
  readonly fromSeq?: number;
  readonly stream?: EventStream;
  readonly maxLines: number;
  /** Of the lines' own text; a page holds at least one line. */
  readonly maxBytes: number;
}

export interface EventsPage {
  readonly lines: readonly Event[];
  /** The seq to go on from. */
  readonly nextSeq: number;
  /** Of the run, all streams, until now. */
  readonly totalLines: number;
}

export interface ArtifactOptions {
  readonly run: number;
  readonly path: string;
  readonly offset: number;
  /** Bytes; the whole rest where not given. */
  readonly length?: number;
}
