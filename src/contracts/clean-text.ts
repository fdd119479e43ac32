import { stripVTControlCharacters } from 'node:util';

/**
 * Text of untrusted programs as people and models may read it: no terminal escapes, no control characters but newline
 * and tab (a carriage return becomes a newline), no lone surrogates. The raw bytes stay in events and artifacts.
 */
export function cleanText(text: string): string {
  const wellFormed = text.toWellFormed();
  if (!anyControl.test(wellFormed)) return wellFormed;
  return stripVTControlCharacters(wellFormed).replace(carriageReturn, '\n').replace(otherControl, '');
}

/** The same for every string of a JSON value, names of fields included. */
export function cleanJson(value: unknown): unknown {
  if (typeof value === 'string') return cleanText(value);
  if (Array.isArray(value)) return value.map(cleanJson);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [cleanText(name), cleanJson(inner)]));
}

// biome-ignore-start lint/suspicious/noControlCharactersInRegex: they are what is looked for
const anyControl = /[\0-\x08\x0b-\x1f\x7f-\x9f]/;
const carriageReturn = /\r\n?/g;
const otherControl = /[\0-\x08\x0b-\x1f\x7f-\x9f]/g;
// biome-ignore-end lint/suspicious/noControlCharactersInRegex: as above
