import type { IncomingMessage } from 'node:http';
import { badRequest } from './storage-failure.ts';
import { type GivenMetadata, givenMetadata } from './storage-objects.ts';

/** The body; of a request that broke off, what came of it. */
export async function bodyOf(request: IncomingMessage): Promise<{ bytes: Buffer; isWhole: boolean }> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of request) chunks.push(chunk);
  } catch {
    return { bytes: Buffer.concat(chunks), isWhole: false };
  }
  return { bytes: Buffer.concat(chunks), isWhole: true };
}

export function metadataOf(text: string): GivenMetadata {
  const { success, data, error } = givenMetadata.safeParse(JSON.parse(text || '{}'));
  if (!success) throw badRequest(`Parse Error: ${error.message}`);
  return data;
}

/** The two parts of `multipart/related`: what is said of the object, and its bytes. */
export function partsOf(contentType: string, body: Buffer): { given: GivenMetadata; bytes: Buffer } {
  const boundary = /boundary="?([^";]+)"?/.exec(contentType)?.[1];
  if (boundary === undefined) throw badRequest('Multipart content type without a boundary.');
  const begin = Buffer.from(`--${boundary}\r\n`);
  const between = Buffer.from(`\r\n--${boundary}\r\n`);
  const end = Buffer.from(`\r\n--${boundary}--`);
  const second = body.indexOf(between);
  const last = body.lastIndexOf(end);
  if (!body.subarray(0, begin.length).equals(begin) || second < 0 || last < second) {
    throw badRequest('Missing end boundary in multipart body.');
  }
  const first = partOf(body.subarray(begin.length, second));
  const content = partOf(body.subarray(second + between.length, last));
  const contentTypeOfBytes = /^content-type: *(.+)$/im.exec(content.head)?.[1];
  return { given: { contentType: contentTypeOfBytes, ...metadataOf(first.bytes.toString()) }, bytes: content.bytes };
}

function partOf(part: Buffer): { head: string; bytes: Buffer } {
  const blank = part.indexOf('\r\n\r\n');
  if (blank < 0) throw badRequest('A part of a multipart body without a head.');
  return { head: part.toString('utf8', 0, blank), bytes: part.subarray(blank + 4) };
}

/** The bytes from `start` to before `end` that a Range header asks for; undefined where it asks beyond the object. */
export function rangeOf(header: string, size: number): { start: number; end: number } | undefined {
  const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/.exec(header) ?? [];
  if (first === '' && last === '') return { start: 0, end: size };
  if (first === '') return size === 0 ? undefined : { start: Math.max(0, size - Number(last)), end: size };
  const start = Number(first);
  const end = last === '' ? size : Math.min(size, Number(last) + 1);
  return start >= size || end <= start ? undefined : { start, end };
}

/** Keeps of an answer what `fields` names, such as `items(name,metadata/key),nextPageToken`; all where it names none. */
export function masked(value: unknown, fields: string | undefined): unknown {
  if (fields === undefined) return value;
  if (Array.isArray(value)) return value.map((each) => masked(each, fields));
  if (typeof value !== 'object' || value === null) throw badRequest(`Invalid field selection ${fields}`);
  const kept: Record<string, unknown> = {};
  for (const field of splitFields(fields)) {
    const [, name = '', path, group] = /^(\w+)(?:\/(.+)|\((.+)\))?$/.exec(field) ?? [];
    if (name === '') throw badRequest(`Invalid field selection ${field}`);
    const found = (value as Record<string, unknown>)[name];
    if (found !== undefined) kept[name] = masked(found, path ?? group);
  }
  return kept;
}

/** At the commas outside of parentheses. */
function splitFields(fields: string): string[] {
  return fields.match(/[^,()]+(?:\([^)]*\))?/g) ?? [];
}
