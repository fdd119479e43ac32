import { createHeadTail } from './head-tail.ts';

/** What is kept of a text that may be too long: its beginning and its end, and how long it was. */
export interface Clip {
  readonly kept: string;
  readonly bytes: number;
}

export function clip(text: string, maxBytes: number): Clip {
  const bytes = Buffer.byteLength(text);
  return { kept: bytes <= maxBytes ? text : headAndTail(text, maxBytes, () => ''), bytes };
}

/** At most `maxBytes` of a text, with a marker in it where something is missing. The marker counts. */
export function unclip({ kept, bytes }: Clip, maxBytes: number): string {
  const keptBytes = Buffer.byteLength(kept);
  if (keptBytes === bytes && bytes <= maxBytes) return kept;
  const room = Math.max(2, maxBytes - markerBytesMax);
  return headAndTail(kept, Math.min(room, keptBytes - 1), (left) => `[... ${bytes - keptBytes + left} bytes ...]`);
}

const markerBytesMax = '[... 1234567 bytes ...]'.length;

function headAndTail(text: string, maxBytes: number, marker: (leftOutBytes: number) => string): string {
  const keeper = createHeadTail(maxBytes, marker);
  keeper.push(Buffer.from(text));
  return keeper.result().text;
}

/** How long each of these may be so that all together fit, where the short ones leave their room to the long ones. */
export function fairShare(lengths: readonly number[], total: number): number {
  let left = total;
  for (const [index, length] of lengths.toSorted((a, b) => a - b).entries()) {
    const share = Math.floor(left / (lengths.length - index));
    if (length > share) return share;
    left -= length;
  }
  return Number.POSITIVE_INFINITY;
}
