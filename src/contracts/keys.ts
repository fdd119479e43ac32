import { createHash } from 'node:crypto';
import { type TaskId, taskCreatedAtMs } from './ids.ts';

/** Every store key, spelled once. `owner` is the caller's name in clear; a key carries its hash only. */

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

export function ownerHash(owner: string): string {
  return hash(owner).slice(0, 32);
}

const newestFirst = (ms: number) => String(9_999_999_999_999 - ms).padStart(13, '0');

export const keys = {
  macKey: 'meta/mac-key',
  allIdempotency: 'keys/',
  idempotency: (owner: string, key: string) => `keys/${ownerHash(owner)}/${hash(key)}`,
  allPending: 'pending/',
  pendingOf: (owner: string) => `pending/${ownerHash(owner)}/`,
  pending: (owner: string, id: TaskId) => `pending/${ownerHash(owner)}/${id}`,
  allTelling: 'telling/',
  telling: (owner: string, id: TaskId) => `telling/${ownerHash(owner)}/${id}`,
  owners: 'owners/',
  tasksOf: (owner: string) => `owners/${ownerHash(owner)}/`,
  taskOf: (owner: string, id: TaskId) => `owners/${ownerHash(owner)}/${newestFirst(taskCreatedAtMs(id))}-${id}`,
  sealed: (id: TaskId) => `sealed/${id}`,
  task: (id: TaskId) => `tasks/${id}/`,
  record: (id: TaskId) => `tasks/${id}/task.json`,
  launches: (id: TaskId) => `tasks/${id}/launches/`,
  launch: (id: TaskId, k: number) => `tasks/${id}/launches/${k}`,
  launchHandle: (id: TaskId, k: number) => `tasks/${id}/launches/${k}.handle`,
  opening: (id: TaskId) => `tasks/${id}/opening`,
  cancel: (id: TaskId) => `tasks/${id}/cancel`,
  claims: (id: TaskId) => `tasks/${id}/claims/`,
  claim: (id: TaskId, run: number) => `tasks/${id}/claims/${run}`,
  results: (id: TaskId) => `tasks/${id}/results/`,
  result: (id: TaskId, run: number) => `tasks/${id}/results/${run}.json`,
  outcome: (id: TaskId) => `tasks/${id}/outcome`,
  end: (id: TaskId) => `tasks/${id}/end`,
  allInputs: 'inputs/',
  input: (owner: string, sha256: string) => `inputs/${ownerHash(owner)}/${sha256}.tar.zst`,
  webhook: (id: TaskId) => `tasks/${id}/webhook`,
  events: (id: TaskId, run: number) => `tasks/${id}/runs/${run}/events/`,
  /** A chunk of events is named after the seq of its first line, so that a reader finds a line by listing names. */
  eventChunk: (id: TaskId, run: number, firstSeq: number) =>
    `tasks/${id}/runs/${run}/events/${String(firstSeq).padStart(8, '0')}.jsonl`,
  artifacts: (id: TaskId, run: number) => `tasks/${id}/runs/${run}/artifacts/`,
  artifact: (id: TaskId, run: number, path: string) => `tasks/${id}/runs/${run}/artifacts/${path}`,
} as const;

/** The task id at the end of a `pending/`, `telling/` or `owners/` key. */
export function taskIdOfKey(key: string): TaskId {
  return key.slice(key.lastIndexOf('task_'));
}
