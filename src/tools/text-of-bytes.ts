/** A character cut in two at the end of a page belongs to the next one. */
const continuationMax = 3;

/**
 * The text of a page of bytes and how many bytes it took; undefined where they are no UTF-8 text.
 * `last` says that nothing follows, so that an unfinished character is none.
 */
export function textOf(bytes: Buffer, { last }: { last: boolean }): { text: string; bytes: number } | undefined {
  if (bytes.includes(0)) return undefined;
  const cuts = last ? [0] : Array.from({ length: continuationMax + 1 }, (_, cut) => cut);
  for (const cut of cuts) {
    const length = bytes.length - cut;
    const text = length < 0 ? undefined : decode(bytes.subarray(0, length));
    if (text !== undefined) return { text, bytes: length };
  }
  return undefined;
}

function decode(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
