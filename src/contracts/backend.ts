import type { TaskId } from './ids.ts';
import type { Handle, TaskRecord } from './task.ts';

/** Where runners are started. Small, all required; each adapter passes `test/contract/backend.ts`. */
export interface Backend {
  readonly id: string;
  /** Starts a runner for every run of the task, or hands the task to one that is there. */
  launch(task: TaskRecord): Promise<Handle>;
  /** What became of the runner. Throws where that cannot be learnt now: a failure settles nothing. */
  inspect(handle: Handle): Promise<Inspection>;
  /** Wakes the runner, which finds `cancel` in the store. */
  cancel(handle: Handle, task: TaskId): Promise<void>;
  close(): Promise<void>;
}

export type Inspection =
  | { readonly state: 'alive' }
  | { readonly state: 'ended'; readonly reason: string; readonly exitCode?: number }
  /** The backend can prove that it can never know. */
  | { readonly state: 'unknown'; readonly reason: string };
