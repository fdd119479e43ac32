import type { ErrorCode } from './errors.ts';
import type { TaskId } from './ids.ts';
import type { Handle, TaskRecord } from './task.ts';

/** Where runners are started. Small, all required; each adapter passes `test/contract/backend.ts`. */
export interface Backend {
  readonly id: string;
  /**
   * Starts a runner for every run of the task, or hands the task to one that is there. `rate_limited`: no runner was
   * started, and the same launch may be tried again.
   */
  launch(task: TaskRecord): Promise<Handle>;
  /**
   * What became of the runner; of that of `run` where the handle stands for the runners of several. Throws where that
   * cannot be learnt now: a failure settles nothing.
   */
  inspect(handle: Handle, run?: number): Promise<Inspection>;
  /** Wakes the runner, which finds `cancel` in the store. */
  cancel(handle: Handle, task: TaskId): Promise<void>;
  close(): Promise<void>;
}

export type Inspection =
  | { readonly state: 'alive' }
  /** `code`: what a run is told that lost its runner so; `runner_lost` where not given. */
  | { readonly state: 'ended'; readonly reason: string; readonly exitCode?: number; readonly code?: ErrorCode }
  /** The backend can prove that it can never know. */
  | { readonly state: 'unknown'; readonly reason: string };
