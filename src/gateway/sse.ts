import { StringDecoder } from 'node:string_decoder';

/** Reads server-sent events from chunks of bytes as they come. */
export interface SseReader {
  push(chunk: Uint8Array): void;
}

/** One event is never longer than the longest answer of a model. */
const eventCharsMax = 32 * 1024 * 1024;

/** `onData` gets the data of each event. Throws where one event is longer than any answer of a model can be. */
export function createSseReader(onData: (data: string) => void): SseReader {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  let data: string[] = [];
  let dataChars = 0;

  const line = (text: string) => {
    if (text.startsWith('data:')) {
      data.push(text.slice(text[5] === ' ' ? 6 : 5));
      dataChars += text.length;
    } else if (text === '' && data.length > 0) {
      onData(data.join('\n'));
      data = [];
      dataChars = 0;
    }
  };

  return {
    push(chunk) {
      const lines = (rest + decoder.write(Buffer.from(chunk))).split('\n');
      rest = lines.pop() ?? '';
      if (rest.length + dataChars > eventCharsMax) throw new Error('an event of the stream is too long');
      for (const text of lines) line(text.endsWith('\r') ? text.slice(0, -1) : text);
    },
  };
}
