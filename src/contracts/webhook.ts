import { z } from 'zod';

/** Tells a receiver of a task's end, under the Standard Webhooks scheme. */
export interface WebhookSender {
  /** One attempt. Never rejects but by its signal: what went wrong is the answer. */
  send(message: WebhookMessage, signal: AbortSignal): Promise<WebhookAnswer>;
}

export interface WebhookMessage {
  readonly url: string;
  /** What it is signed with: `whsec_` and base64, or any other text as it is. */
  readonly secret: string;
  /** The same at every attempt, as is the body. */
  readonly id: string;
  readonly body: string;
}

/** What lies sealed in a task whose runner tells its end: to where, signed with what. */
export const sealedCallback = z.strictObject({
  url: z.url(),
  secret: z.string(),
  /** Receivers that may be told though they are private. */
  privateTargets: z.array(z.strictObject({ host: z.string(), port: z.int() })),
});
export type SealedCallback = z.infer<typeof sealedCallback>;

export type WebhookAnswer =
  | { readonly outcome: 'told'; readonly status: number }
  /** The receiver wants no more of it, or it may not be reached: trying again is of no use. */
  | { readonly outcome: 'given_up'; readonly reason: string; readonly status?: number }
  | { readonly outcome: 'try_again'; readonly reason: string; readonly status?: number };
