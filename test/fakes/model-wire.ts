import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { finished } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { constants, createGzip, gzipSync } from 'node:zlib';
import type { Answer, AnswerUsage, ErrorAnswer, MessageAnswer } from './model-answers.ts';
import type { ModelCall } from './model-server.ts';

/** How an answer is spelled on the wire: as the API does it, with gzip for whoever accepts gzip. */
export async function sendAnswer(
  response: ServerResponse,
  answer: Answer,
  call: ModelCall,
  requestBytes: number,
): Promise<void> {
  if (answer.kind === 'error') return sendError(response, answer);
  if (answer.kind === 'raw') return void response.writeHead(answer.status, answer.headers).end(answer.body);
  const message = messageOf(answer, call, requestBytes);
  if (answer.firstByteMs !== undefined) await delay(answer.firstByteMs);
  const gzip = (call.headers['accept-encoding'] ?? '').toString().includes('gzip');
  if (call.body.stream === true) return sendStream(response, answer, message, gzip);
  const text = JSON.stringify(message);
  const headers = { 'content-type': 'application/json', 'request-id': `req_${id()}` };
  if (gzip) response.writeHead(200, { ...headers, 'content-encoding': 'gzip' }).end(gzipSync(text));
  else response.writeHead(200, headers).end(text);
}

export function sendError(response: ServerResponse, { status, type, message, headers }: ErrorAnswer): void {
  if (response.headersSent) return void response.destroy();
  const body = { type: 'error', error: { type, message }, request_id: `req_${id()}` };
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

// --- Internal helpers ---

type Message = ReturnType<typeof messageOf>;

async function sendStream(response: ServerResponse, answer: MessageAnswer, message: Message, gzip: boolean) {
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache',
    'request-id': `req_${id()}`,
    ...(gzip ? { 'content-encoding': 'gzip' } : {}),
  });
  const out = gzip ? createGzip({ flush: constants.Z_SYNC_FLUSH }) : response;
  if (out !== response) out.pipe(response);
  const gone = finished(response).catch(() => undefined);
  let sent = 0;
  for (const event of eventsOf(message)) {
    if (response.destroyed) return;
    if (sent++ === answer.breakOffAfterEvents) {
      await delay(flushMs);
      return void response.destroy();
    }
    const room = out.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
    if (!room) await Promise.race([new Promise((resolve) => out.once('drain', resolve)), gone]);
    if (answer.betweenEventsMs !== undefined) await delay(answer.betweenEventsMs);
  }
  out.end();
}

/** What was written is on its way before the connection is destroyed. */
const flushMs = 20;

function* eventsOf(message: Message): Generator<{ type: string }> {
  const { content, usage, stop_reason, ...head } = message;
  // The first event knows the input; the output is counted up to the last one, which is cumulative.
  const start = { ...head, content: [], stop_reason: null, usage: { ...usage, output_tokens: 1 } };
  yield event({ type: 'message_start', message: start });
  yield event({ type: 'ping' });
  for (const [index, block] of content.entries()) {
    if (block.type === 'text') {
      yield event({ type: 'content_block_start', index, content_block: { type: 'text', text: '' } });
      for (const text of piecesOf(block.text)) {
        yield event({ type: 'content_block_delta', index, delta: { type: 'text_delta', text } });
      }
    } else {
      yield event({ type: 'content_block_start', index, content_block: { ...block, input: {} } });
      for (const partial_json of piecesOf(JSON.stringify(block.input))) {
        yield event({ type: 'content_block_delta', index, delta: { type: 'input_json_delta', partial_json } });
      }
    }
    yield event({ type: 'content_block_stop', index });
  }
  const { input_tokens, output_tokens, cache_creation_input_tokens, cache_read_input_tokens } = usage;
  const total = { input_tokens, output_tokens, cache_creation_input_tokens, cache_read_input_tokens };
  yield event({ type: 'message_delta', delta: { stop_reason, stop_sequence: null }, usage: total });
  yield event({ type: 'message_stop' });
}

/** Keeps the literal fields of each event for readers of this file, and its type for the writer. */
function event<E extends { type: string }>(value: E): E {
  return value;
}

function messageOf(answer: MessageAnswer, call: ModelCall, requestBytes: number) {
  return {
    id: `msg_${id()}`,
    type: 'message',
    role: 'assistant',
    model: answer.model ?? call.body.model,
    content: answer.blocks.map((block) => (block.type === 'text' ? block : { ...block, id: `toolu_${id()}` })),
    stop_reason: answer.stopReason,
    stop_sequence: null,
    usage: usageOf(answer.usage ?? {}, requestBytes, JSON.stringify(answer.blocks).length),
  };
}

function usageOf(usage: AnswerUsage, requestBytes: number, answerBytes: number) {
  const fiveMinutes = usage.cache_creation?.ephemeral_5m_input_tokens ?? 0;
  const oneHour = usage.cache_creation?.ephemeral_1h_input_tokens ?? 0;
  return {
    input_tokens: usage.input_tokens ?? Math.ceil(requestBytes / 4),
    output_tokens: usage.output_tokens ?? Math.ceil(answerBytes / 4),
    cache_creation_input_tokens: fiveMinutes + oneHour,
    cache_read_input_tokens: usage.cache_read_input_tokens ?? 0,
    cache_creation: { ephemeral_5m_input_tokens: fiveMinutes, ephemeral_1h_input_tokens: oneHour },
    service_tier: 'standard',
  };
}

/** Pieces as a stream brings them: never the whole text at once. */
function piecesOf(text: string): string[] {
  return text.match(/[\s\S]{1,40}/gu) ?? [''];
}

function id(): string {
  return randomBytes(12).toString('hex');
}
