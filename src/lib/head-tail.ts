/** Keeps the beginning and the end of a stream of bytes, in constant memory. */
export interface HeadTail {
  push(chunk: Buffer): void;
  /** What was kept, with a marker where bytes were left out. */
  result(): { readonly text: string; readonly truncated: boolean };
}

/** `maxBytes` in all, half of it for each end. `marker` words what stands between the two. */
export function createHeadTail(maxBytes: number, marker: (leftOutBytes: number) => string): HeadTail {
  const half = Math.floor(maxBytes / 2);
  const head: Buffer[] = [];
  let headBytes = 0;
  let tail = Buffer.alloc(0);
  let totalBytes = 0;

  return {
    push(chunk) {
      totalBytes += chunk.length;
      const forHead = chunk.subarray(0, half - headBytes);
      if (forHead.length > 0) {
        head.push(Buffer.from(forHead));
        headBytes += forHead.length;
      }
      const rest = chunk.subarray(forHead.length);
      if (rest.length > 0) tail = Buffer.from(Buffer.concat([tail, rest.subarray(-half)]).subarray(-half));
    },
    result() {
      const first = Buffer.concat(head);
      const leftOutBytes = totalBytes - first.length - tail.length;
      if (leftOutBytes <= 0) return { text: Buffer.concat([first, tail]).toString('utf8'), truncated: false };
      const start = withoutTornEnd(first);
      const end = withoutTornStart(tail);
      const torn = first.length - start.length + (tail.length - end.length);
      return { text: start.toString('utf8') + marker(leftOutBytes + torn) + end.toString('utf8'), truncated: true };
    },
  };
}

const isContinuation = (byte: number) => (byte & 0xc0) === 0x80;

/** Without the bytes of a character that the cut went through. */
function withoutTornEnd(bytes: Buffer): Buffer {
  let start = bytes.length - 1;
  while (start > 0 && bytes.length - start < 4 && isContinuation(bytes[start]!)) start--;
  const first = bytes[start] ?? 0;
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;
  return bytes.length - start < length ? bytes.subarray(0, start) : bytes;
}

function withoutTornStart(bytes: Buffer): Buffer {
  let start = 0;
  while (start < 3 && start < bytes.length && isContinuation(bytes[start]!)) start++;
  return bytes.subarray(start);
}
