import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { GatewayOptions } from '../contracts/gateway.ts';
import type { ModelEndpoint } from '../contracts/task.ts';
import { checkBody, withMaxTokens } from './body-rules.ts';
import type { Budget, Share } from './budget.ts';
import type { Endpoint } from './endpoint.ts';
import type { EndpointFailures } from './endpoint-failures.ts';
import { clientHeaders, upstreamHeaders } from './headers.ts';
import { answerError, type ModelPath } from './listener.ts';
import { type Asked, createMessageReader, type MessageReader } from './message-reader.ts';
import type { Meter } from './meter.ts';
import { createReadBudget } from './read-budget.ts';
import { createSseReader } from './sse.ts';

export interface ModelApiOptions extends GatewayOptions {
  readonly endpoint: ModelEndpoint;
  readonly upstream: Endpoint;
  readonly meter: Meter;
  /** No limit where undefined. */
  readonly budget: Budget | undefined;
  readonly failures: EndpointFailures;
}

/** What one request may hold, as at the API itself, and all requests of a run that are being read at once. */
const bodyBytesMax = 32 * 1024 * 1024;
const readBytesMax = 64 * 1024 * 1024;

/** Carries calls to the model endpoint: checked, under the real credential, metered. */
export function createModelApi(options: ModelApiOptions) {
  const { endpoint, models, onDenied, upstream, meter, budget, failures } = options;
  const reading = createReadBudget({ eachBytesMax: bodyBytesMax, allBytesMax: readBytesMax });

  return async (path: ModelPath, request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const read = await reading.read(request);
    if (read === 'gone') return;
    if (read === 'too_large') return answerError(response, 413, 'the request is too large');
    if (read === 'busy') return answerError(response, 503, 'too many large requests at once', false);
    const body = checkBody(read.text, models);
    read.release();
    if (body.verdict === 'broken') return answerError(response, 400, body.why);
    if (body.verdict === 'refused') {
      onDenied({ what: `POST ${path}`, why: body.why });
      return answerError(response, 403, body.why);
    }
    for (const name of body.leftOut) onDenied({ what: `the field ${name}`, why: 'not known here, so it was left out' });
    const isCount = path.startsWith('/v1/messages/count_tokens');
    const paid = budget === undefined || isCount ? { ...body, share: undefined } : await pay(budget, body, response);
    if (paid === undefined) return;
    const { text, model, streamed, maxTokens, share } = paid;
    const { headers, leftOutBetas } = upstreamHeaders(request.headers, endpoint, Buffer.byteLength(text));
    for (const name of leftOutBetas) onDenied({ what: `the beta ${name}`, why: 'not known here, so it was left out' });
    const asked = { promptChars: text.length, streamed, maxTokens };
    await forward({ path, headers, text, model, asked, isCount, share }, response);
  };

  /** The body that the run's budget pays for; undefined where it was answered that nothing is left, or nobody waits. */
  async function pay(from: Budget, body: PassedBody, response: ServerResponse) {
    const client = new AbortController();
    response.once('close', () => client.abort());
    const share = await from.reserve(body, client.signal).catch((error: unknown) => {
      if (client.signal.aborted) return undefined;
      throw error;
    });
    if (share === undefined) return undefined;
    if ('refused' in share) {
      onDenied({ what: 'POST /v1/messages', why: share.refused });
      answerError(response, 429, share.refused);
      return undefined;
    }
    if (share.maxTokens >= body.maxTokens) return { ...body, share };
    return { ...body, text: withMaxTokens(body.text, share.maxTokens), maxTokens: share.maxTokens, share };
  }

  async function forward(call: Call, response: ServerResponse): Promise<void> {
    const reader = createMessageReader(call.asked);
    // From here on: what was asked for costs, also where the client goes before there is an answer.
    const metered = call.isCount ? undefined : meter.begin(reader, call.model);
    let end: Awaited<ReturnType<typeof exchange>> | undefined;
    try {
      end = await exchange(call, reader, response);
    } finally {
      if (end === 'not_taken') {
        metered?.drop();
        call.share?.giveBack();
      } else {
        metered?.end();
        call.share?.settle(reader);
      }
    }
  }

  async function exchange({ path, headers, text, isCount }: Call, reader: MessageReader, response: ServerResponse) {
    const client = new AbortController();
    response.once('close', () => client.abort());
    let answer: IncomingMessage;
    try {
      answer = await upstream.post(path, headers, text, client.signal);
    } catch (error) {
      if (client.signal.aborted) return 'client_gone';
      failures.unreachable(error, response);
      return 'not_taken';
    }
    const status = answer.statusCode ?? 502;
    if (status < 200 || status > 299) {
      await failures.refused(answer, response);
      return 'not_taken';
    }
    const kind = kindOf(answer);
    if (kind === undefined) {
      failures.unusable(answer, response);
      return 'unusable';
    }
    response.writeHead(status, clientHeaders(answer.headers));
    if (isCount) return carry(answer, undefined, response);
    const end = await carry(answer, meterOf(kind, reader), response);
    if (reader.whole) failures.none();
    else if (end !== 'client_gone') failures.brokenOff();
    return end;
  }
}

// --- Internal helpers ---

interface Call {
  readonly path: ModelPath;
  readonly headers: OutgoingHttpHeaders;
  readonly text: string;
  readonly model: string;
  readonly asked: Asked;
  /** Counting tokens costs nothing. */
  readonly isCount: boolean;
  readonly share: Share | undefined;
}

type PassedBody = Extract<ReturnType<typeof checkBody>, { verdict: 'passed' }>;

type AnswerKind = 'events' | 'json';

/** What the meter can read; undefined for anything else, which then does not pass. */
function kindOf({ headers }: IncomingMessage): AnswerKind | undefined {
  if ((headers['content-encoding'] ?? 'identity') !== 'identity') return undefined;
  const type = headers['content-type'] ?? '';
  if (type.startsWith('text/event-stream')) return 'events';
  return type.startsWith('application/json') ? 'json' : undefined;
}

/** Streams the answer with back-pressure. The side that ended first decides what it is called. */
async function carry(answer: IncomingMessage, meter: Transform | undefined, response: ServerResponse) {
  let end: 'whole' | 'client_gone' | 'broken_off' | undefined;
  answer.once('error', () => {
    end ??= 'broken_off';
  });
  response.once('close', () => {
    end ??= 'client_gone';
  });
  try {
    await (meter === undefined ? pipeline(answer, response) : pipeline(answer, meter, response));
    end ??= 'whole';
  } catch {
    end ??= 'broken_off'; // `end` says all there is to say: the streams are destroyed on both sides.
  }
  return end;
}

/** Hands every byte on and reads along. */
function meterOf(kind: AnswerKind, reader: MessageReader): Transform {
  const sse = createSseReader((data) => reader.event(data));
  const whole: Buffer[] = [];
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      try {
        if (kind === 'events') sse.push(chunk);
        else whole.push(chunk);
        done(null, chunk);
      } catch (error) {
        done(error instanceof Error ? error : new Error('the stream cannot be read'));
      }
    },
    flush(done) {
      if (kind === 'json') reader.message(Buffer.concat(whole).toString('utf8'));
      done();
    },
  });
}
