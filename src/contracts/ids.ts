import { v7, validate, version } from 'uuid';
import { z } from 'zod';

const prefix = 'task_';

/** `task_` and a UUIDv7: sorts by age and tells its own age. */
export const taskId = z
  .string()
  .refine(
    (id) => id.startsWith(prefix) && validate(id.slice(prefix.length)) && version(id.slice(prefix.length)) === 7,
    {
      error: 'is not a task id: expected "task_" and a UUIDv7',
    },
  );
export type TaskId = z.infer<typeof taskId>;

export function newTaskId(): TaskId {
  return prefix + v7();
}

/** Milliseconds since the epoch at which the id was made. */
export function taskCreatedAtMs(id: TaskId): number {
  return Number.parseInt(id.slice(prefix.length).replaceAll('-', '').slice(0, 12), 16);
}
