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
  const state: { pieces: Buffer[]; held: number; wanted: number } = { pieces: [], held: 0, wanted: headerBytes };
  return {
    push: (chunk) => {
      // A copy: what is held must not keep the pipe's own buffer.
      state.pieces.push(Buffer.from(chunk));
      state.held += chunk.length;
      if (state.held < state.wanted) return [];
      const bytes = Buffer.concat(state.pieces);
      const frames: Frame[] = [];
      const at = { begin: 0 };
      for (let end = endOfFrame(bytes, 0); end <= bytes.length; end = endOfFrame(bytes, at.begin)) {
        frames.push(frameBetween(bytes, at.begin, end));
        at.begin = end;
      }
      const rest = bytes.subarray(at.begin);
      Object.assign(state, { pieces: [Buffer.from(rest)], held: rest.length, wanted: endOfFrame(rest, 0) });
      return frames;
    },
  };
}

/** Of the frame that begins here; where not even its header is whole, of that. */
function endOfFrame(bytes: Buffer, begin: number): number {
  const afterHeader = begin + headerBytes;
  if (bytes.length < afterHeader) return afterHeader;
  const [kind, length] = [bytes.readUInt8(begin), bytes.readUInt32BE(begin + 5)];
  if (!isKind(kind) || length > payloadBytesMax) throw new Error(`no frame: kind ${kind}, ${length} bytes`);
  return afterHeader + length;
}

function frameBetween(bytes: Buffer, begin: number, end: number): Frame {
  const kind = bytes.readUInt8(begin) as Kind;
  return { kind, channel: bytes.readUInt32BE(begin + 1), payload: bytes.subarray(begin + headerBytes, end) };
}

function isKind(kind: number): kind is Kind {
  return known.has(kind);
}
