import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import { redactText } from '../lib/redact.ts';
import { connectionCode } from './connection-code.ts';
import { clientHeaders } from './headers.ts';
import { answerError } from './listener.ts';

/** Remembers how the endpoint fails, in our words, and tells the client what it needs to know of it. */
export interface EndpointFailures {
  /** The endpoint's last answer where it was no success. */
  last(): string | undefined;
  /** The endpoint answered as it should. */
  none(): void;
  /** No connection came about. */
  unreachable(error: unknown, response: ServerResponse): void;
  /** The endpoint answered with an error: the client gets its kind and its message, nothing else. */
  refused(answer: IncomingMessage, response: ServerResponse): Promise<void>;
  /** The endpoint answered with something that is no answer of a model. */
  unusable(answer: IncomingMessage, response: ServerResponse): void;
  brokenOff(): void;
}

/** An endpoint that never answered in this run is not there: a client that tries for minutes helps nobody. */
const triesOfTheUnseen = 3;

export function createEndpointFailures(credential: string): EndpointFailures {
  let last: string | undefined;
  let seen = false;
  let tries = 0;

  return {
    last: () => last,
    none() {
      last = undefined;
      seen = true;
    },
    unreachable(error, response) {
      last = `The model endpoint could not be reached (${connectionCode(error)}).`;
      const final = !seen && ++tries >= triesOfTheUnseen;
      answerError(response, 502, 'the model endpoint cannot be reached', final);
    },
    async refused(answer, response) {
      seen = true;
      const status = answer.statusCode ?? 502;
      if (status < 400) {
        last = `The model endpoint answered with a redirect (${status}), which is not followed.`;
        answer.resume();
        return answerError(response, 502, 'the model endpoint redirects, which is not followed');
      }
      const { type, message } = await errorIn(answer);
      last = `The model endpoint answered ${status}${type === undefined ? '' : ` (${type})`}.`;
      const final = status === 401 || status === 403;
      if (response.destroyed) return;
      response.writeHead(status, {
        ...clientHeaders(answer.headers),
        'content-type': 'application/json',
        ...(final ? { 'x-should-retry': 'false' } : {}),
      });
      const told = redactText((message ?? 'the model endpoint gave no reason').replaceAll(credential, '[redacted]'));
      response.end(JSON.stringify({ type: 'error', error: { type: type ?? 'api_error', message: told } }));
    },
    unusable(answer, response) {
      seen = true;
      last = 'The model endpoint answered with something that is no answer of a model, or was compressed unasked.';
      answer.destroy();
      answerError(response, 502, 'the model endpoint answered with something that is no answer of a model');
    },
    brokenOff() {
      last = 'The model endpoint broke its answer off.';
    },
  };
}

// --- Internal helpers ---

const errorBytesMax = 64 * 1024;

const errorBody = z.object({
  error: z.object({
    type: z
      .string()
      .regex(/^[a-z_]{1,64}$/)
      .optional()
      .catch(undefined),
    message: z.string().optional(),
  }),
});

async function errorIn(answer: IncomingMessage): Promise<{ type?: string | undefined; message?: string | undefined }> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of answer) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > errorBytesMax) break;
    }
    return errorBody.parse(JSON.parse(Buffer.concat(chunks).toString('utf8'))).error;
  } catch {
    return {}; // An error without a readable body is told by its status alone.
  }
}
