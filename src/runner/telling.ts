import { setTimeout as delay } from 'node:timers/promises';
import type { DialTarget } from '../contracts/egress.ts';
import type { Store } from '../contracts/store.ts';
import { type RunResult, runResult, type TaskRecord } from '../contracts/task.ts';
import {
  endOfRunMs,
  gapAfterMs,
  mayBeToldByRunner,
  noteTold,
  runnerSendsForMs,
  runnerTellsForMs,
  webhookMessage,
} from '../contracts/telling.ts';
import type { SealedCallback, WebhookAnswer, WebhookMessage, WebhookSender } from '../contracts/webhook.ts';
import type { Logger } from '../lib/logger.ts';
import { untilAborted } from '../lib/until-aborted.ts';

/** Tells a receiver of the end of a task with one run, before its runner ends: no server need be there. */

export interface Telling {
  readonly store: Store;
  /** One whose way out knows these private receivers; it may throw where it cannot be had. */
  readonly openWebhooks: (privateTargets: readonly DialTarget[]) => Promise<WebhookSender>;
  readonly log: Logger;
}

/**
 * Tries until it is told or given up, for half a minute after the end of the run at most, and no longer than until `stop`.
 * Never rejects: what was not told, a server tells, with the same id and bytes. `stored` is the result as it lies there.
 */
export async function tellEnd(
  { store, openWebhooks, log }: Telling,
  {
    record,
    callback,
    stored,
  }: { readonly record: TaskRecord; readonly callback: SealedCallback; readonly stored: string },
  stop: AbortSignal,
): Promise<void> {
  // Read as a server reads it: that makes the same bytes.
  const result = runResult.parse(JSON.parse(stored));
  if (stop.aborted || !mayBeToldByRunner(result)) return;
  const mayNote = AbortSignal.any([stop, untilAfterEnd(result, runnerTellsForMs)]);
  const maySend = AbortSignal.any([mayNote, untilAfterEnd(result, runnerSendsForMs)]);
  try {
    const webhooks = await openWebhooks(callback.privateTargets);
    const view = { record, status: result.status, runsEnded: 1, result };
    const message = { ...webhookMessage(view, endOfRunMs(result)), url: callback.url, secret: callback.secret };
    const answer = await sendUntilTaken(webhooks, message, maySend, (reason) =>
      log.info({ task: record.id, reason }, 'a webhook was not taken; it is tried again'),
    );
    await untilAborted(noteTold(store, record, answer), mayNote);
  } catch (error) {
    log.warn({ task: record.id, error }, 'the webhook of this task is left to a server');
  }
}

// --- Internal helpers ---

function untilAfterEnd(result: RunResult, ms: number): AbortSignal {
  return AbortSignal.timeout(Math.max(0, endOfRunMs(result) + ms - Date.now()));
}

async function sendUntilTaken(
  webhooks: WebhookSender,
  message: WebhookMessage,
  signal: AbortSignal,
  onFailure: (reason: string) => void,
): Promise<WebhookAnswer> {
  for (let attempts = 1; ; attempts++) {
    const answer = await webhooks.send(message, signal);
    if (answer.outcome !== 'try_again') return answer;
    onFailure(answer.reason);
    await delay(gapAfterMs(attempts), undefined, { signal });
  }
}
