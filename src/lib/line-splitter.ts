import { StringDecoder } from 'node:string_decoder';

/** Turns chunks of bytes into lines of text. */
export interface LineSplitter {
  push(chunk: Buffer): void;
  /** Hands over what has no newline yet. */
  flush(): void;
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

  const handOverLongPieces = () => {
    while (rest.length > maxLineChars) {
      onLine(rest.slice(0, maxLineChars), true);
      rest = rest.slice(maxLineChars);
    }
  };

  return {
    push(chunk) {
      const text = decoder.write(chunk);
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
    flush() {
      if (rest === '') return;
      onLine(rest, true);
      rest = '';
    },
  };
}
