/**
 * Text of untrusted programs as people and models may read it: no terminal escapes, no control characters but newline
 * and tab (a carriage return becomes a newline), no lone surrogates. The raw bytes stay in events and artifacts.
 * Takes time in proportion to the text, whatever it is: node:util's stripVTControlCharacters takes its square.
 */
export function cleanText(text: string): string {
  const wellFormed = text.toWellFormed();
  if (!anyControl.test(wellFormed)) return wellFormed;
  return wellFormed.replace(escapeSequence, '').replace(carriageReturn, '\n').replace(otherControl, '');
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

/** ECMA-48. No part can match what the part before it can, so that nothing is ever looked at twice. */
const escapeSequence = new RegExp(
  [
    // Control sequences: parameters, intermediates, a final byte.
    /(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?/,
    // Strings (titles, links, device control) up to their end, or that of the line.
    /(?:\x1b[\]P^_X]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?/,
    // All others.
    /\x1b[ -/]*[0-~]?/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'g',
);
// biome-ignore-end lint/suspicious/noControlCharactersInRegex: as above
