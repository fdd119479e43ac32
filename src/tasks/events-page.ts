import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { type Event, type EventStream, event } from '../contracts/event.ts';
import type { TaskId } from '../contracts/ids.ts';
import { keys } from '../contracts/keys.ts';
import type { Store } from '../contracts/store.ts';
import type { EventsOptions, EventsPage } from '../contracts/task-service.ts';

/** Pages of a run's lines, from chunks that are named after the seq of their first line. */

export async function readEventsPage(store: Store, id: TaskId, options: EventsOptions): Promise<EventsPage> {
  const chunks = await listChunks(store, id, options.run);
  const totalLines = await countLines(store, chunks);
  return options.fromSeq === undefined
    ? readTail(store, chunks, options, totalLines)
    : readForward(store, chunks, options, options.fromSeq, totalLines);
}

/**
 * Says, each time it is asked, whether the run has a line at or after `fromSeq` by now. It reads what is new; where nothing
 * is, that is one small listing.
 */
export function createLineWatch(store: Store, id: TaskId, run: number, fromSeq: number): () => Promise<boolean> {
  const prefix = keys.events(id, run);
  let lastSeen: string | undefined;
  return async () => {
    const newest = (await store.list(prefix, lastSeen === undefined ? {} : { after: lastSeen })).at(-1);
    if (newest === undefined) return false;
    lastSeen = newest;
    return (await countLines(store, [chunkOf(prefix, newest)])) > fromSeq;
  };
}

interface Chunk {
  readonly key: string;
  readonly firstSeq: number;
}

async function listChunks(store: Store, id: TaskId, run: number): Promise<Chunk[]> {
  const prefix = keys.events(id, run);
  return (await store.list(prefix)).map((key) => chunkOf(prefix, key));
}

function chunkOf(prefix: string, key: string): Chunk {
  return { key, firstSeq: Number.parseInt(key.slice(prefix.length), 10) };
}

async function countLines(store: Store, chunks: readonly Chunk[]): Promise<number> {
  const last = chunks.at(-1);
  return last === undefined ? 0 : last.firstSeq + (await readChunk(store, last)).length;
}

/** Small reads never wait, so others get their turn here: the lines of a rare stream may be looked for in all chunks. */
async function readChunk(store: Store, { key }: Chunk, stream?: EventStream): Promise<Event[]> {
  await turnOfTheLoop();
  const bytes = await store.read(key);
  const lines = bytes?.toString('utf8').split('\n') ?? [];
  const events = lines.flatMap((line) => (mayBeOf(line, stream) ? [event.parse(JSON.parse(line))] : []));
  return stream === undefined ? events : events.filter((line) => line.stream === stream);
}

/** Spares parsing a line that is surely of another stream. */
function mayBeOf(line: string, stream: EventStream | undefined): boolean {
  return line !== '' && (stream === undefined || line.includes(JSON.stringify(stream)));
}

async function readForward(
  store: Store,
  chunks: readonly Chunk[],
  options: EventsOptions,
  fromSeq: number,
  totalLines: number,
): Promise<EventsPage> {
  const page = createPage(options);
  const first = Math.max(
    0,
    chunks.findLastIndex((chunk) => chunk.firstSeq <= fromSeq),
  );
  for (const chunk of chunks.slice(first)) {
    for (const line of await readChunk(store, chunk, options.stream)) {
      if (line.seq < fromSeq) continue;
      if (!page.takes(line)) return { lines: page.lines, nextSeq: page.lines.at(-1)!.seq + 1, totalLines };
    }
  }
  return { lines: page.lines, nextSeq: Math.max(fromSeq, totalLines), totalLines };
}

async function readTail(
  store: Store,
  chunks: readonly Chunk[],
  options: EventsOptions,
  totalLines: number,
): Promise<EventsPage> {
  const page = createPage(options);
  const end = () => ({ lines: page.lines.reverse(), nextSeq: totalLines, totalLines });
  for (const chunk of chunks.toReversed()) {
    for (const line of (await readChunk(store, chunk, options.stream)).reverse()) {
      if (!page.takes(line)) return end();
    }
  }
  return end();
}

/** Takes lines until one more would not fit; the first always fits. */
function createPage({ maxLines, maxBytes }: EventsOptions) {
  const lines: Event[] = [];
  let bytes = 0;
  return {
    lines,
    takes(line: Event): boolean {
      const size = Buffer.byteLength(line.text ?? JSON.stringify(line.data ?? ''));
      if (lines.length > 0 && (lines.length >= maxLines || bytes + size > maxBytes)) return false;
      lines.push(line);
      bytes += size;
      return true;
    },
  };
}
