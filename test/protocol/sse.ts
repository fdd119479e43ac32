import { z } from 'zod';

/** Server-sent events as a client reads them: one block of lines each, the data one JSON value on one line. */

const fields = z.record(z.string(), z.unknown());

export interface SentEvent {
  readonly event: string;
  readonly id: string | undefined;
  readonly data: Record<string, unknown>;
}

export interface SentEvents {
  readonly status: number;
  readonly headers: Headers;
  /** Whoever breaks off reading closes the connection. */
  readonly events: AsyncGenerator<SentEvent, void>;
  /** Those that came so far. */
  readonly comments: readonly string[];
}

export async function openEvents(url: string, init: RequestInit & { headers: object }): Promise<SentEvents> {
  const answer = await fetch(url, { ...init, headers: { Accept: 'text/event-stream', ...init.headers } });
  const comments: string[] = [];
  return { status: answer.status, headers: answer.headers, events: eventsOf(answer, comments), comments };
}

async function* eventsOf({ body }: Response, comments: string[]): AsyncGenerator<SentEvent, void> {
  let rest = '';
  for await (const text of body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const blocks = (rest + text).split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      if (block.startsWith(':')) comments.push(block);
      else yield eventOf(block);
    }
  }
  if (rest !== '') throw new Error(`The stream ends in the middle of an event: ${rest.slice(0, 100)}`);
}

const block = /^(?:id: (?<id>\S+)\n)?event: (?<event>\w+)\ndata: (?<data>.*)$/;

function eventOf(text: string): SentEvent {
  const groups = block.exec(text)?.groups;
  if (groups === undefined) throw new Error(`This is no event of ours: ${text.slice(0, 200)}`);
  return { event: groups.event!, id: groups.id, data: fields.parse(JSON.parse(groups.data!)) };
}

/** All there are, to the end of the stream. */
export async function allOf({ events }: SentEvents): Promise<SentEvent[]> {
  const all: SentEvent[] = [];
  for await (const each of events) all.push(each);
  return all;
}

/** The first ones; then the connection is cut. */
export async function firstOf({ events }: SentEvents, count: number): Promise<SentEvent[]> {
  const first: SentEvent[] = [];
  for await (const each of events) {
    first.push(each);
    if (first.length >= count) break;
  }
  return first;
}
