import { StringDecoder } from 'node:string_decoder';

/** Turns chunks of bytes into lines of text. */
export interface LineSplitter {
  push(chunk: Buffer): void;
  /** Hands over what has no newline yet. */
  flush(): void;
  /** Does so only where nothing came for `idleMs`, or the line began `ageMs` ago: most lines come in pieces. */
  flushStale(idleMs: number, ageMs: number): void;
  /** Whether something has no newline yet. */
  readonly holds: boolean;
}

/**
 * `onLine` gets each line without its newline; `partial` is true for a piece that had none: at a flush, or where a
 * line is longer than `maxLineChars`.
 */
export function createLineSplitter(
  maxLineChars: number,
  onLine: (text: string, partial: boolean) => void,
): LineSplitter {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  let restBeganAt = 0;
  let restGrewAt = 0;

  const handOverLongPieces = () => {
    while (rest.length > maxLineChars) {
      onLine(rest.slice(0, maxLineChars), true);
      rest = rest.slice(maxLineChars);
    }
  };

  const flush = () => {
    if (rest !== '') onLine(rest, true);
    rest = '';
  };

  return {
    push(chunk) {
      const text = decoder.write(chunk);
      restGrewAt = Date.now();
      if (rest === '' || text.includes('\n')) restBeganAt = restGrewAt;
      const lastNewline = text.lastIndexOf('\n');
      if (lastNewline === -1) {
        rest += text;
        handOverLongPieces();
        return;
      }
      const lines = (rest + text.slice(0, lastNewline)).split('\n');
      rest = text.slice(lastNewline + 1);
      for (const line of lines) {
        for (let start = 0; line.length - start > maxLineChars; start += maxLineChars) {
          onLine(line.slice(start, start + maxLineChars), true);
        }
        onLine(line.slice(Math.max(0, Math.ceil(line.length / maxLineChars) - 1) * maxLineChars), false);
      }
      handOverLongPieces();
    },
    flush,
    flushStale(idleMs, ageMs) {
      const now = Date.now();
      if (now - restGrewAt >= idleMs || now - restBeganAt >= ageMs) flush();
    },
    get holds() {
      return rest !== '';
    },
  };
}
