import { link, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { type Webhook, WebhookVerificationError } from 'standardwebhooks';
import { z } from 'zod';

/** A message of Runyard: `data` is the tool's output, with the owner of the task and the metadata that it was given. */
const message = z.object({
  type: z.string(),
  timestamp: z.string(),
  data: z.looseObject({ task_id: z.string(), owner: z.string() }),
});
type Message = z.infer<typeof message>;

const signedHeaders = z.object({
  'webhook-id': z.string().regex(/^[\w-]{1,100}$/),
  'webhook-timestamp': z.string(),
  'webhook-signature': z.string(),
});

export interface Received {
  /** Of the answer; below 300 the sender is done, from 500 on it tries again. */
  readonly status: number;
  /** For the log. */
  readonly line: string;
}

/** Takes one message into `DIR/{webhook-id}.json`. Nothing in it is believed before its signature and its age are right. */
export async function receive(request: IncomingMessage, webhook: Webhook, dir: string): Promise<Received> {
  const body = await bodyOf(request);
  if (body === undefined) return { status: 413, line: 'refused: too large' };
  const headers = signedHeaders.safeParse(request.headers);
  if (!headers.success) return { status: 400, line: 'refused: no signed message' };
  const verified = verify(webhook, body, headers.data);
  if ('fault' in verified) return { status: 401, line: `refused: ${verified.fault}` };
  const id = headers.data['webhook-id'];
  // One that comes again is answered like the first, because that answer may have got lost, and is not acted on again.
  if (!(await keepOnce(join(dir, `${id}.json`), body))) return { status: 200, line: `came again: ${id}` };
  return { status: 200, line: `${verified.message.type} ${verified.message.data.task_id}` };
}

// --- Internal helpers ---

const bodyBytesMax = 16 * 1024 * 1024;

/** To the byte, because that is what is signed; undefined where it is too large. */
async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > bodyBytesMax) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Refuses a wrong signature, and a time of sending that is more than five minutes away from now. */
function verify(
  webhook: Webhook,
  body: string,
  headers: z.infer<typeof signedHeaders>,
): { message: Message } | { fault: string } {
  try {
    return { message: message.parse(webhook.verify(body, headers)) };
  } catch (error) {
    if (error instanceof WebhookVerificationError) return { fault: error.message };
    throw error;
  }
}

/** Whether it is new. Of two that come at once one is; what stands there is whole. */
async function keepOnce(path: string, content: string): Promise<boolean> {
  const unfinished = `${path}.${crypto.randomUUID()}.part`;
  await writeFile(unfinished, content);
  try {
    await link(unfinished, path);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(unfinished);
  }
}
