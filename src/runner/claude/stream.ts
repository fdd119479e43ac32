import { z } from 'zod';
import type { Event } from '../../contracts/event.ts';
import { holdsMoreValues } from '../../lib/json-weight.ts';
import { createLineSplitter } from '../../lib/line-splitter.ts';
import type { EventLog } from '../events.ts';

/** The last word of claude, as it stands in the stream. All of it is the sandbox's claim. */
export const resultLine = z.looseObject({
  type: z.literal('result'),
  subtype: z.string(),
  is_error: z.boolean(),
  num_turns: z.int().min(0).default(0),
  session_id: z.string().max(200).default(''),
  result: z.string().optional(),
  structured_output: z.json().optional(),
  permission_denials: z.array(z.json()).max(1000).default([]),
  errors: z.array(z.string()).optional().catch(undefined),
});
export type ResultLine = z.infer<typeof resultLine>;

/** Reads the stdout of claude. */
export interface ClaudeStream {
  take(chunk: Buffer): void;
  /** Once nothing more comes. */
  end(): void;
  /** Every line that poses as a result, parsed; undefined for one that cannot be. Two of them are kept at most. */
  readonly results: readonly (ResultLine | undefined)[];
}

/** A longer line is no message of claude: its largest ones carry a file. */
const lineCharsMax = 16 * 1024 * 1024;
/** All runs wait while one line is looked at. */
const valuesMax = 100_000;
/** Readers of events walk through what is in them. */
const depthMax = 64;

/** Lines that are JSON become events of claude and go to `onMessage` as they are, all others are plain output. */
export function createClaudeStream(
  events: Pick<EventLog, 'data' | 'text'>,
  onMessage: (line: string) => void,
): ClaudeStream {
  const results: (ResultLine | undefined)[] = [];
  const lines = createLineSplitter(lineCharsMax, (text, partial) => {
    const data = partial ? undefined : messageOf(text);
    if (data === undefined) return events.text('stdout', Buffer.from(`${text}\n`));
    events.data('claude', data);
    onMessage(text);
    if (data.type === 'result' && results.length < 2) results.push(resultLine.safeParse(data).data);
  });
  return { take: lines.push, end: lines.flush, results };
}

// --- Internal helpers ---

type Message = Record<string, NonNullable<Event['data']>>;

const message = z.record(z.string(), z.custom<NonNullable<Event['data']>>());

/** The object that a line holds; undefined where it holds none, or one that readers could not walk through. */
function messageOf(text: string): Message | undefined {
  if (!text.startsWith('{') || holdsMoreValues(text, valuesMax)) return undefined;
  try {
    const json: unknown = JSON.parse(text);
    return isShallow(json, depthMax) ? message.safeParse(json).data : undefined;
  } catch {
    return undefined; // No JSON: plain output.
  }
}

function isShallow(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return depth > 0 && Object.values(value).every((inner) => isShallow(inner, depth - 1));
}
