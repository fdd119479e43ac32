import { z } from 'zod';
import { taskStatus } from '../contracts/task.ts';
import { taskListEntry, taskListItem } from '../contracts/task-output.ts';
import { type Call, defineTool } from './define-tool.ts';
import type { Tasks } from './services.ts';

export const listTasks = defineTool({
  name: 'list_tasks',
  title: 'List tasks',
  description: 'Your tasks, newest first.',
  hints: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  input: z.strictObject({
    status: taskStatus.optional(),
    limit: z.int().min(1).max(100).default(20),
    cursor: z.string().min(1).max(1000).optional().describe('next_cursor of the page before'),
  }),
  output: z.object({ tasks: z.array(taskListItem), next_cursor: z.string().nullable() }),
  async handle({ status, limit, cursor }, { caller }: Call, { tasks }: Tasks<'list'>) {
    const options = {
      limit,
      ...(status === undefined ? {} : { status }),
      ...(cursor === undefined ? {} : { cursor }),
    };
    const page = await tasks.list(caller, options);
    return { tasks: page.tasks.map(taskListEntry), next_cursor: page.nextCursor ?? null };
  },
  tell({ tasks, next_cursor }) {
    if (tasks.length === 0) return 'There are no such tasks.';
    const lines = tasks.map(({ task_id, tool, status, created_at }) => `${task_id} ${tool} ${status} ${created_at}`);
    return lines.join('\n') + (next_cursor === null ? '' : `\nMore with cursor ${JSON.stringify(next_cursor)}.`);
  },
});
