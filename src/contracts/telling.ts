import { keys } from './keys.ts';
import type { Store } from './store.ts';
import type { RunResult } from './task.ts';
import { taskOutput } from './task-output.ts';
import type { TaskView } from './task-service.ts';
import type { WebhookAnswer, WebhookMessage } from './webhook.ts';

/**
 * What whoever tells a receiver of a task's end agrees on, so that two never do at the same time and both would say the
 * same: first its runner, where that was given the means, then servers.
 */

/** After the end of its run a runner sends nothing any more; what it was answered until then, it has a little longer to note. */
export const runnerSendsForMs = 25_000;
export const runnerTellsForMs = 30_000;
/** After the end of a run: before that, its runner may still be telling. */
export const serversWaitMs = 40_000;

/** A run that a server settled has no runner that could tell it; that of a cancelled one was told to end at once. */
export function mayBeToldByRunner({ status, sandbox }: RunResult): boolean {
  return status !== 'cancelled' && sandbox.technology !== 'none';
}

/** By the clock of whoever wrote the result. */
export function endOfRunMs({ startedAt, durationMs }: Pick<RunResult, 'startedAt' | 'durationMs'>): number {
  return Date.parse(startedAt) + durationMs;
}

/**
 * The same id and bytes whenever and by whomever they are made: from what lies in the store alone. The owner is signed in,
 * so that no receiver mixes them up. `atMs` is when the task ended.
 */
export function webhookMessage(view: TaskView, atMs: number): Pick<WebhookMessage, 'id' | 'body'> {
  const { id, owner, metadata } = view.record;
  const told = { owner, ...(metadata === undefined ? {} : { metadata }), ...taskOutput(view) };
  const timestamp = new Date(atMs).toISOString();
  return { id: `msg_${id}`, body: JSON.stringify({ type: `task.${view.status}`, timestamp, data: told }) };
}

const firstGapMs = 500;
const longestGapMs = 15 * 60_000;

/** Before the next attempt, after so many that may pass. */
export function gapAfterMs(attempts: number): number {
  return Math.min(firstGapMs * 2 ** (attempts - 1), longestGapMs) * (0.75 + Math.random() / 4);
}

/** Writes that nobody is to tell it any more. */
export async function noteTold(store: Store, { id }: TaskView['record'], answer: WebhookAnswer): Promise<void> {
  await store.create(keys.webhook(id), JSON.stringify({ ...answer, at: new Date().toISOString() }));
}
