import type { Artifact } from './artifact.ts';
import type { Caller } from './caller.ts';
import type { Event, EventStream } from './event.ts';
import type { TaskId } from './ids.ts';
import type { Size } from './limits.ts';
import type { RunResult, TaskRecord, TaskSpec, TaskStatus } from './task.ts';

/** What the tools can do with tasks. A task of another owner is `not_found`, like one that never was. */
export interface TaskService {
  /** Resolves when the task is durable. The same `idempotencyKey` with the same request gives the same id. */
  submit(task: NewTask, caller: Caller): Promise<TaskId>;
  /** The truth now. */
  look(id: TaskId, caller: Caller): Promise<TaskView>;
  /** The truth as soon as the task has ended, or at the deadline; an aborted signal ends the wait, not the task. */
  wait(id: TaskId, caller: Caller, options: WaitOptions): Promise<TaskView>;
  cancel(id: TaskId, caller: Caller, options: WaitOptions): Promise<TaskView>;
  /** Newest first. */
  list(caller: Caller, options: ListTasksOptions): Promise<{ tasks: readonly TaskSummary[]; nextCursor?: string }>;
  /** Lines of one run from `fromSeq` on (forward), or the last ones that fit (where it is not given). */
  events(id: TaskId, caller: Caller, options: EventsOptions): Promise<EventsPage>;
  /** Resolves when a line at or after `fromSeq` is there, the task has ended, or at the deadline. */
  waitForEvents(id: TaskId, caller: Caller, options: WaitOptions & { run: number; fromSeq: number }): Promise<void>;
  /** Bytes of an artifact. Throws `not_found` where the run left no such file. */
  artifact(id: TaskId, caller: Caller, options: ArtifactOptions): Promise<{ artifact: Artifact; bytes: Buffer }>;
}

export interface NewTask {
  readonly spec: TaskSpec;
  readonly runs: number;
  readonly size: Size;
  readonly timeoutSeconds: number;
  readonly metadata?: TaskRecord['metadata'];
  readonly idempotencyKey?: string;
}

export interface TaskView {
  readonly record: TaskRecord;
  readonly status: TaskStatus;
  /** One place a run, in order; undefined where it has not ended. */
  readonly results: readonly (RunResult | undefined)[];
}

export interface TaskSummary {
  readonly record: TaskRecord;
  readonly status: TaskStatus;
}

export interface WaitOptions {
  readonly waitMs: number;
  readonly signal: AbortSignal;
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
