import { z } from 'zod';
import { cleanJson, cleanText } from '../contracts/clean-text.ts';
import { type Event, eventStream } from '../contracts/event.ts';
import { limits } from '../contracts/limits.ts';
import { claudeLineAsText } from './claude-line.ts';

/** One line of a log as callers see it. */
export const logLine = z.object({
  run: z.int(),
  seq: z.int(),
  time: z.string(),
  stream: eventStream,
  text: z.string().optional(),
  data: z.unknown().optional(),
});
export type LogLine = z.infer<typeof logLine>;

export function logLineOf({ run, seq, time, stream, text, data }: Event): LogLine {
  const place = { run, seq, time, stream };
  if (text !== undefined) return { ...place, text: cut(cleanText(text)) };
  if (data === undefined) return place;
  const clean = cleanJson(data);
  const written = JSON.stringify(clean);
  return written.length > limits.logBytesDefault ? { ...place, text: cut(written) } : { ...place, data: clean };
}

export function lineAsText({ stream, text, data }: LogLine): string {
  if (text !== undefined || data === undefined) return `[${stream}] ${text ?? ''}`;
  return `[${stream}] ${stream === 'claude' ? claudeLineAsText(data) : JSON.stringify(data)}`;
}

/** One line alone never makes an answer longer than a whole page may be. */
function cut(text: string): string {
  const max = limits.logBytesDefault;
  if (text.length <= max) return text;
  return `${text.slice(0, max).toWellFormed()}… [${text.length - max} more characters]`;
}
