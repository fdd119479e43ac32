import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { Face } from './face.ts';
import { problemOf } from './problem.ts';
import { reportError } from './report-error.ts';
import type { RestRequest } from './rest-request.ts';

/** Answers as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html). */

export interface ServerSentEvent {
  readonly event: 'line' | 'progress' | 'result' | 'error';
  /** A client that was cut off says it in `Last-Event-ID`. */
  readonly id?: string;
  /** One JSON value. */
  readonly data: unknown;
}

export interface EventStream {
  /** Sends the head of the answer. What is thrown before is answered as a problem, afterwards told by an event. */
  begin(): void;
  /** Begins if need be. Resolves when the client has taken enough for more, or `stop` is aborted; never rejects. */
  send(...events: readonly ServerSentEvent[]): Promise<void>;
  /** Aborted when nothing more needs to be sent: the client has gone, or the server is to end. */
  readonly stop: AbortSignal;
}

/** Lets `tell` send events, and ends the answer when it is done. Throws what `tell` throws before the head is sent. */
export async function answerWithEvents(
  { response, gone }: Pick<RestRequest, 'response' | 'gone'>,
  { calls, log }: Pick<Face, 'calls' | 'log'>,
  tell: (stream: EventStream) => Promise<void>,
): Promise<void> {
  const stream = openEventStream(response, AbortSignal.any([gone, calls.closing]));
  try {
    await tell(stream);
  } catch (thrown) {
    if (!response.headersSent) throw thrown;
    const error = reportError(thrown, 'A stream of events could not be told to its end', log);
    void stream.send({ event: 'error', data: problemOf(error) });
  } finally {
    stream.close();
  }
}

export interface EventStreamOptions {
  /** Of silence, after which a comment says that the stream is alive: proxies cut what is silent. */
  readonly heartbeatMs?: number;
  /** For a client to take anything at all; after that it is cut off, and may go on with its last id. */
  readonly stalledMs?: number;
}

/** Holds no more than what was sent while the client takes nothing: whoever sends waits for it. */
export function openEventStream(
  response: ServerResponse,
  stop: AbortSignal,
  { heartbeatMs = 15_000, stalledMs = 120_000 }: EventStreamOptions = {},
): EventStream & { close(): void } {
  let heartbeat: NodeJS.Timeout | undefined;
  let taking: Promise<void> | undefined;

  const silence = () => {
    clearInterval(heartbeat);
    heartbeat = undefined;
  };

  const begin = () => {
    if (response.headersSent || response.destroyed) return;
    response.writeHead(200, {
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
      'X-Accel-Buffering': 'no',
    });
    response.flushHeaders();
    heartbeat = setInterval(() => void write(': the stream is alive\n\n'), heartbeatMs);
    stop.addEventListener('abort', silence, { once: true });
  };

  const untilTaken = async () => {
    const patience = setTimeout(() => response.destroy(), stalledMs);
    try {
      await once(response, 'drain', { signal: stop });
    } catch {
      // Aborted, or the connection broke: then there is nobody to send to.
      if (!stop.aborted) response.destroy();
    } finally {
      clearTimeout(patience);
      taking = undefined;
    }
  };

  const write = async (text: string) => {
    if (response.destroyed || response.writableEnded) return;
    heartbeat?.refresh();
    const isFull = !response.write(text);
    if (!isFull || stop.aborted) return;
    taking ??= untilTaken();
    await taking;
  };

  return {
    stop,
    begin,
    async send(...events) {
      begin();
      if (events.length > 0) await write(events.map(written).join(''));
    },
    close() {
      silence();
      if (response.headersSent) response.end();
    },
  };
}

/** JSON holds no line break that is not escaped. */
function written({ event, id, data }: ServerSentEvent): string {
  return `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
