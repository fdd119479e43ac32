/**
 * How everything between runner and wall is cut: kind (1 byte), channel (4), length of the payload (4), payload. The
 * same on both sides of one pair of pipes; one of them may be a program that has nothing but node itself.
 */

export const kinds = {
  /** A message, as JSON, on channel 0. */
  word: 1,
  /** A piece of a message that goes on in the next frame of this kind or in `word`. */
  part: 2,
  data: 3,
  /** No more data from here on this channel. */
  end: 4,
  /** So many bytes were taken: as many more may be sent. The count is the payload. */
  credit: 5,
  /** A new connection, told by whoever has it. */
  open: 6,
  /** The channel is over, in both directions. */
  reset: 7,
} as const;

export type Kind = (typeof kinds)[keyof typeof kinds];

export interface Frame {
  readonly kind: Kind;
  readonly channel: number;
  readonly payload: Buffer;
}

export const payloadBytesMax = 64 * 1024;
const headerBytes = 9;
const known: ReadonlySet<number> = new Set(Object.values(kinds));

export function encodeFrame(kind: Kind, channel: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const frame = Buffer.allocUnsafe(headerBytes + payload.length);
  frame.writeUInt8(kind, 0);
  frame.writeUInt32BE(channel, 1);
  frame.writeUInt32BE(payload.length, 5);
  frame.set(payload, headerBytes);
  return frame;
}

export interface FrameReader {
  /** The frames that are whole now. Throws at the first that nobody can have meant. */
  push(chunk: Buffer): Frame[];
}

/** Puts the frames together again, however the pipe has cut them. */
export function createFrameReader(): FrameReader {
  const state = { rest: Buffer.alloc(0) };
  return {
    push: (chunk) => {
      const bytes = state.rest.length === 0 ? chunk : Buffer.concat([state.rest, chunk]);
      const frames: Frame[] = [];
      const at = { begin: 0 };
      for (let frame = frameAt(bytes, 0); frame !== undefined; frame = frameAt(bytes, at.begin)) {
        frames.push(frame);
        at.begin += headerBytes + frame.payload.length;
      }
      // A copy: what is left over must not keep the whole chunk in memory.
      state.rest = Buffer.from(bytes.subarray(at.begin));
      return frames;
    },
  };
}

/** Undefined where it is not whole yet. */
function frameAt(bytes: Buffer, begin: number): Frame | undefined {
  if (bytes.length - begin < headerBytes) return undefined;
  const kind = bytes.readUInt8(begin);
  const length = bytes.readUInt32BE(begin + 5);
  if (!isKind(kind) || length > payloadBytesMax) throw new Error(`no frame: kind ${kind}, ${length} bytes`);
  const end = begin + headerBytes + length;
  if (bytes.length < end) return undefined;
  return { kind, channel: bytes.readUInt32BE(begin + 1), payload: bytes.subarray(begin + headerBytes, end) };
}

function isKind(kind: number): kind is Kind {
  return known.has(kind);
}
