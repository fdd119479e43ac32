import type { Caller } from '../contracts/caller.ts';
import { RunyardError } from '../contracts/errors.ts';
import { keys, taskIdOfKey } from '../contracts/keys.ts';
import type { Store } from '../contracts/store.ts';
import type { TaskRecord, TaskStatus } from '../contracts/task.ts';
import type { ListTasksOptions, TaskSummary } from '../contracts/task-service.ts';
import { readEnd } from './finish.ts';
import { anyRunIsClaimed, readRecord, readResult } from './objects.ts';

/** Tasks looked at for one page: a rare status must not make the call read everything there is. */
const looksMax = 500;

/** The cursor is the key of the last task looked at, without what every key of the owner begins with. */
export async function listTasks(store: Store, caller: Caller, retentionMs: number, options: ListTasksOptions) {
  const prefix = keys.tasksOf(caller.owner);
  const after = options.cursor === undefined ? undefined : prefix + decodeCursor(options.cursor);
  const found = await store.list(prefix, { limit: looksMax + 1, ...(after === undefined ? {} : { after }) });
  const tasks: TaskSummary[] = [];
  let last: string | undefined;
  for (const key of found.slice(0, looksMax)) {
    if (tasks.length === options.limit) break;
    last = key;
    const summary = await summarize(store, key, caller, retentionMs);
    if (summary !== undefined && (options.status === undefined || summary.status === options.status))
      tasks.push(summary);
  }
  const more = last !== undefined && found.at(-1) !== last;
  return { tasks, ...(more ? { nextCursor: encodeCursor(last!.slice(prefix.length)) } : {}) };
}

async function summarize(
  store: Store,
  key: string,
  caller: Caller,
  retentionMs: number,
): Promise<TaskSummary | undefined> {
  const record = await readRecord(store, taskIdOfKey(key));
  // Not acknowledged yet, or left behind by a submit that was interrupted.
  if (record === undefined || record.owner !== caller.owner) return undefined;
  if (Date.now() - Date.parse(record.createdAt) > retentionMs) return undefined;
  return { record, status: await currentStatus(store, record) };
}

/** Never a look at every run: a task with several has ended, for a list, once a look or a sweep has counted them. */
async function currentStatus(store: Store, record: TaskRecord): Promise<TaskStatus> {
  const end = await readEnd(store, record);
  if (end !== undefined) return end.status;
  const result = record.runs === 1 ? await readResult(store, record.id, 0) : undefined;
  return result?.status ?? ((await anyRunIsClaimed(store, record)) ? 'running' : 'queued');
}

function encodeCursor(name: string): string {
  return Buffer.from(name).toString('base64url');
}

function decodeCursor(cursor: string): string {
  const name = Buffer.from(cursor, 'base64url').toString('utf8');
  if (!/^\d{13}-task_[0-9a-f-]{36}$/.test(name)) {
    throw new RunyardError('invalid_request', 'cursor: is not one that list_tasks gave.', {
      hint: 'Leave it out to begin with the newest task.',
    });
  }
  return name;
}
