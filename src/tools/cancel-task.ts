import { z } from 'zod';
import { taskStatus } from '../contracts/task.ts';
import { type Call, defineTool } from './define-tool.ts';
import { taskIdField } from './params/task.ts';
import type { Tasks } from './services.ts';

const waitMs = 5_000;

export const cancelTask = defineTool({
  name: 'cancel_task',
  title: 'Cancel a task',
  description: 'Stops a task and waits up to 5 s for its end.',
  hints: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
  input: z.strictObject({ task_id: taskIdField }),
  output: z.object({ task_id: z.string(), status: taskStatus }),
  async handle({ task_id }, { caller, signal }: Call, { tasks }: Tasks<'cancel'>) {
    const { status } = await tasks.cancel(task_id, caller, { waitMs, signal });
    return { task_id, status };
  },
  tell: ({ task_id, status }) =>
    status === 'queued' || status === 'running'
      ? `${task_id} is being cancelled, and is still ${status}; look again with get_task_logs.`
      : `${task_id} ended: ${status}.`,
});
