import type { Egress } from '../contracts/egress.ts';
import { RunyardError } from '../contracts/errors.ts';
import type { WebhookAnswer, WebhookMessage, WebhookSender } from '../contracts/webhook.ts';
import { requestOver, targetOf } from '../lib/request-over.ts';

/** A receiver that takes longer has not understood that it should answer first and work afterwards. */
const attemptTimeoutMs = 20_000;

export function createWebhookSender({ egress }: { readonly egress: Egress }): WebhookSender {
  return {
    async send(message, signal) {
      const deadline = AbortSignal.any([signal, AbortSignal.timeout(attemptTimeoutMs)]);
      try {
        return meaningOf(await post(egress, message, deadline));
      } catch (error) {
        signal.throwIfAborted();
        // A name may lead elsewhere a moment later; the sender of the task stays refused until then.
        if (error instanceof RunyardError) return { outcome: 'try_again', reason: error.message };
        return { outcome: 'try_again', reason: deadline.aborted ? 'it did not answer in time' : reasonOf(error) };
      }
    },
  };
}

// --- Internal helpers ---

async function post(egress: Egress, { url: address, secret, id, body }: WebhookMessage, signal: AbortSignal) {
  const url = new URL(address);
  // Before anything is dialed, which a secret that cannot sign would leave open.
  const signature = await signed(secret, id, body);
  const socket = await egress.dial(targetOf(url), signal);
  const answer = await requestOver(socket, url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(body)),
      'user-agent': 'runyard',
      ...signature,
    },
    body,
    signal,
  });
  // Only the status counts: what a receiver says is not read.
  answer.body.destroy();
  return answer.status;
}

/** The time is that of the attempt, so that a receiver can refuse what is old. */
async function signed(secret: string, id: string, body: string): Promise<Record<string, string>> {
  const { Webhook } = await import('standardwebhooks');
  const now = new Date();
  const sign = () => {
    const webhook = secret.startsWith('whsec_') ? new Webhook(secret) : new Webhook(secret, { format: 'raw' });
    return webhook.sign(id, now, body);
  };
  return {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
    'webhook-signature': orUnusable(sign),
  };
}

function orUnusable<T>(sign: () => T): T {
  try {
    return sign();
  } catch (cause) {
    const reason = 'the secret that is declared for it cannot sign: after whsec_ it must be base64';
    throw new RunyardError('secret_unavailable', reason, { cause });
  }
}

const mayPassStatuses = [408, 425, 429];

function meaningOf(status: number): WebhookAnswer {
  if (status >= 200 && status < 300) return { outcome: 'told', status };
  const reason = `it answered ${status}`;
  return status >= 500 || mayPassStatuses.includes(status)
    ? { outcome: 'try_again', reason, status }
    : { outcome: 'given_up', reason: status < 400 ? `${reason}, and redirects are not followed` : reason, status };
}

function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'no connection';
  return `it could not be reached (${code})`;
}
