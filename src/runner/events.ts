import type { Event, EventStream } from '../contracts/event.ts';
import type { TaskId } from '../contracts/ids.ts';
import { keys } from '../contracts/keys.ts';
import { limits } from '../contracts/limits.ts';
import type { Store } from '../contracts/store.ts';
import { createLineSplitter, type LineSplitter } from '../lib/line-splitter.ts';

/** The numbered lines of one run, on their way to the store. */
export interface EventLog {
  /** Bytes of a text stream; they become one event a line. */
  text(stream: EventStream, chunk: Buffer): void;
  /** One event that carries data. */
  data(stream: EventStream, data: NonNullable<Event['data']>): void;
  /** One event that carries Runyard's own words. */
  note(stream: EventStream, text: string): void;
  /** Whether the run has used up its share; what comes later is dropped. */
  readonly full: boolean;
  /** Resolves when everything is in the store. Throws what the store threw. */
  close(): Promise<void>;
}

export interface EventLogOptions {
  readonly store: Store;
  readonly task: TaskId;
  readonly run: number;
  /** New lines are in the store. */
  readonly onFlushed: () => void;
}

/** Long lines are cut into pieces: a reader pages by lines, and one line must fit its page. */
const maxLineChars = 8 * 1024;

/** Programs write a line in pieces; one that rests, such as a prompt, is shown as it is. */
const pieceIdleMs = 100;
const pieceAgeMs = 1000;

/**
 * Lines reach the store within `limits.eventFlushMs` or `limits.eventFlushBytes`, the first at once. What the store
 * refuses is lost to the log, and `close` says so; the run itself goes on.
 */
export function createEventLog({ store, task, run, onFlushed }: EventLogOptions): EventLog {
  const splitters = new Map<EventStream, LineSplitter>();
  let seq = 0;
  let waiting: string[] = [];
  let waitingBytes = 0;
  let firstWaitingSeq = 0;
  let totalBytes = 0;
  let full = false;
  let timer: NodeJS.Timeout | undefined;
  let writing = Promise.resolve();
  let failure: unknown;

  const add = (stream: EventStream, content: Pick<Event, 'text' | 'data' | 'partial'>) => {
    if (full) return;
    const line = `${JSON.stringify({ run, seq, time: new Date().toISOString(), stream, ...content })}\n`;
    const bytes = Buffer.byteLength(line);
    if (totalBytes + bytes > limits.eventsBytesMax) {
      full = true;
      return;
    }
    if (waiting.length === 0) firstWaitingSeq = seq;
    waiting.push(line);
    seq++;
    waitingBytes += bytes;
    totalBytes += bytes;
    if (seq === 1 || waitingBytes >= limits.eventFlushBytes) flush();
    else timer ??= setTimeout(flushDue, limits.eventFlushMs);
  };

  /** A piece that still grows is left for the next time. */
  const flushDue = () => {
    for (const splitter of splitters.values()) splitter.flushStale(pieceIdleMs, pieceAgeMs);
    flush();
    if ([...splitters.values()].some((splitter) => splitter.holds)) timer = setTimeout(flushDue, limits.eventFlushMs);
  };

  const flush = () => {
    clearTimeout(timer);
    timer = undefined;
    if (waiting.length === 0) return;
    const key = keys.eventChunk(task, run, firstWaitingSeq);
    const body = waiting.join('');
    waiting = [];
    waitingBytes = 0;
    writing = writing
      .then(async () => {
        await store.create(key, body);
        onFlushed();
      })
      .catch((error: unknown) => {
        failure ??= error;
      });
  };

  const splitterOf = (stream: EventStream) => {
    const known = splitters.get(stream);
    if (known !== undefined) return known;
    const made = createLineSplitter(maxLineChars, (text, partial) =>
      add(stream, partial ? { text, partial } : { text }),
    );
    splitters.set(stream, made);
    return made;
  };

  return {
    text(stream, chunk) {
      splitterOf(stream).push(chunk);
      timer ??= setTimeout(flushDue, limits.eventFlushMs);
    },
    data: (stream, data) => add(stream, { data }),
    note: (stream, text) => add(stream, { text }),
    get full() {
      return full;
    },
    async close() {
      for (const splitter of splitters.values()) splitter.flush();
      flush();
      await writing;
      if (failure !== undefined) throw failure;
    },
  };
}
