import { z } from 'zod';
import { taskId } from './ids.ts';

/** The IPC channel between a server and its own runner. Both directions are hints; the truth is in the store. */

/** Down: look at this task; start its runs, or find its `cancel`. */
export const runnerCall = z.strictObject({ task: taskId });
export type RunnerCall = z.infer<typeof runnerCall>;

/** Up: something of this run is new in the store. */
export const runnerHint = z.strictObject({
  task: taskId,
  run: z.int().min(0),
  news: z.enum(['events', 'ended']),
});
export type RunnerHint = z.infer<typeof runnerHint>;
