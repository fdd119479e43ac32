import type { Caller } from '../contracts/caller.ts';
import { promptLine, transcriptPath, wasCut } from '../contracts/conversation.ts';
import { RunyardError } from '../contracts/errors.ts';
import { type TaskId, taskCreatedAtMs, taskId } from '../contracts/ids.ts';
import { keys } from '../contracts/keys.ts';
import { limits } from '../contracts/limits.ts';
import type { Seal } from '../contracts/seal.ts';
import type { Store } from '../contracts/store.ts';
import type { TaskRecord, TaskSpec } from '../contracts/task.ts';
import { readRecord, readResult } from './objects.ts';

/**
 * Conversations that can be gone on with: what was said to Claude is kept sealed beside the task, what Claude said is the
 * transcript of its run.
 */

export interface Conversing {
  readonly store: Store;
  readonly seal: Seal;
  readonly retentionMs: number;
}

/** Keeps, sealed, all that a new task says to Claude: with the transcript of its run it is the whole conversation. */
export async function keepOpening({ store, seal }: Conversing, id: TaskId, spec: TaskSpec): Promise<void> {
  if (spec.kind !== 'claude') return;
  const key = keys.opening(id);
  const opening = `${spec.earlier ?? ''}${promptLine(spec.prompt)}\n`;
  await store.create(key, await seal.seal(Buffer.from(opening), key));
}

/**
 * The conversation that the task goes on with; undefined where it begins a new one. Throws `not_found` where this caller has
 * no such task, `invalid_request` where there is nothing to go on with.
 */
export async function earlierConversation(
  context: Conversing,
  spec: TaskSpec,
  caller: Caller,
): Promise<string | undefined> {
  if (spec.kind !== 'claude' || spec.resumes === undefined) return undefined;
  const record = await recordOf(context, spec.resumes, caller);
  const refuse = (why: string) => new RunyardError('invalid_request', `resume_task_id: ${record.id} ${why}`);
  if (record.kind !== 'claude') throw refuse('is no task of Claude.');
  if (record.runs > 1) throw refuse('has several runs; only a task with one can be resumed.');
  const result = await readResult(context.store, record.id, 0);
  if (result === undefined) throw refuse('has not ended yet.');
  const transcript = result.artifacts.find(({ path }) => path === transcriptPath);
  const opening = await context.store.read(keys.opening(record.id));
  if (transcript === undefined || opening === undefined) throw refuse('left no conversation to go on with.');
  const said = await context.seal.unseal(opening, keys.opening(record.id));
  if (said.length + transcript.sizeBytes > limits.conversationBytesMax)
    throw refuse(`holds a conversation of more than ${limits.conversationBytesMax / 1024 ** 2} MiB.`);
  const answered = (await context.store.read(keys.artifact(record.id, 0, transcriptPath)))?.toString('utf8');
  if (answered === undefined || wasCut(answered)) throw refuse('left no whole conversation to go on with.');
  return `${said.toString('utf8')}${answered}`;
}

/** The spec with the conversation that it goes on with. */
export function withEarlier(spec: TaskSpec, earlier: string | undefined): TaskSpec {
  return spec.kind !== 'claude' || earlier === undefined ? spec : { ...spec, earlier };
}

// --- Internal helpers ---

/** Another owner's task, a forgotten one and one that never was are the same. */
async function recordOf({ store, retentionMs }: Conversing, id: string, { owner }: Caller): Promise<TaskRecord> {
  const isKnown = taskId.safeParse(id).success && Date.now() - taskCreatedAtMs(id) <= retentionMs;
  const record = isKnown ? await readRecord(store, id) : undefined;
  if (record?.owner === owner) return record;
  throw new RunyardError('not_found', `resume_task_id: there is no task ${id}.`);
}
