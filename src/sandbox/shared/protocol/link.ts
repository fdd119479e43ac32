import { createFrameReader, encodeFrame, type Frame, kinds, payloadBytesMax } from './frames.ts';

/** What may be on its way on one channel in one direction before the other side has taken it. */
export const windowBytes = 256 * 1024;
/** Channels below are fixed; connections count upward from here. */
export const firstConnection = 16;

/** Takes what comes on a channel. While a promise is open, nothing more than a window comes. */
export interface Receiver {
  data(chunk: Buffer): void | Promise<void>;
  /** The other side sends no more. */
  end(): void;
  /** The other side, or the whole link, is gone. */
  gone(): void;
}

export interface Channel {
  /** Resolves when all of it is on its way; rejects where the channel is over. One call at a time. */
  send(bytes: Buffer): Promise<void>;
  end(): void;
  /** Ends the channel in both directions. Safe to call twice. */
  reset(): void;
  /** Resolves when everything that has come until now was taken. */
  taken(): Promise<void>;
}

export interface LinkOptions {
  readonly write: (bytes: Buffer) => void;
  readonly onWord: (word: unknown) => void;
  /** A connection the other side has; undefined refuses it. */
  readonly onOpen: (channel: Channel) => Receiver | undefined;
  /** Of one message as a whole. */
  readonly wordBytesMax: number;
}

/** One side of the pair of pipes: messages, and channels that hold each other up no more than a window. */
export interface Link {
  /** Throws where nobody can have meant what came; the link is of no use then. */
  push(chunk: Buffer): void;
  say(word: object): void;
  /** A channel both sides know of, or a connection told by `open`. */
  attach(id: number, receiver: Receiver): Channel;
  /** The next connection of this side. */
  open(receiver: Receiver): Channel;
  /** Tells every channel that the other side is gone. */
  close(): void;
}

export function createLink({ write, onWord, onOpen, wordBytesMax }: LinkOptions): Link {
  const reader = createFrameReader();
  const lanes = new Map<number, Lane>();
  const parts: Buffer[] = [];
  const state = { nextOpened: firstConnection, nextToOpen: firstConnection };

  const attach = (id: number, receiver: Receiver): Lane => {
    const lane = createLane(id, { receiver, write, forget: () => lanes.delete(id) });
    lanes.set(id, lane);
    return lane;
  };

  const hearWord = (payload: Buffer, isLast: boolean) => {
    parts.push(Buffer.from(payload));
    if (parts.reduce((sum, part) => sum + part.length, 0) > wordBytesMax) throw new Error('a message without an end');
    if (isLast) onWord(JSON.parse(Buffer.concat(parts.splice(0)).toString('utf8')));
  };

  const hearOpen = (id: number) => {
    if (id !== state.nextOpened) throw new Error(`connection ${id} where ${state.nextOpened} was next`);
    state.nextOpened += 1;
    const late: { receiver: Receiver | undefined } = { receiver: undefined };
    const lane = attach(id, {
      data: (chunk) => late.receiver?.data(chunk),
      end: () => late.receiver?.end(),
      gone: () => late.receiver?.gone(),
    });
    late.receiver = onOpen(lane);
    if (late.receiver === undefined) lane.reset();
  };

  const hear = ({ kind, channel, payload }: Frame) => {
    if (kind === kinds.word || kind === kinds.part) return hearWord(payload, kind === kinds.word);
    if (kind === kinds.open) return hearOpen(channel);
    // What is on its way to a channel that was just reset here is nobody's fault.
    const lane = lanes.get(channel);
    if (kind === kinds.data) return lane?.hearData(payload);
    if (kind === kinds.end) return lane?.hearEnd();
    if (kind === kinds.reset) return lane?.hearReset();
    return lane?.hearCredit(payload.readUInt32BE(0));
  };

  return {
    push: (chunk) => {
      for (const frame of reader.push(chunk)) hear(frame);
    },
    say: (word) => {
      for (const [piece, isLast] of piecesOf(Buffer.from(JSON.stringify(word)))) {
        write(encodeFrame(isLast ? kinds.word : kinds.part, 0, piece));
      }
    },
    attach,
    open: (receiver) => {
      const id = state.nextToOpen;
      state.nextToOpen += 1;
      const lane = attach(id, receiver);
      write(encodeFrame(kinds.open, id));
      return lane;
    },
    close: () => {
      for (const lane of [...lanes.values()]) lane.hearReset();
    },
  };
}

/** A channel as the link itself sees it. */
interface Lane extends Channel {
  hearData(payload: Buffer): void;
  hearEnd(): void;
  hearCredit(bytes: number): void;
  hearReset(): void;
}

interface LaneOptions {
  readonly receiver: Receiver;
  readonly write: (bytes: Buffer) => void;
  readonly forget: () => void;
}

function createLane(id: number, { receiver, write, forget }: LaneOptions): Lane {
  const state = { room: windowBytes, owed: 0, isOver: false, endedHere: false, endedThere: false };
  const waiting: (() => void)[] = [];
  const queue: { last: Promise<void> } = { last: Promise.resolve() };

  const over = (tell: boolean) => {
    if (state.isOver) return;
    state.isOver = true;
    forget();
    for (const wake of waiting.splice(0)) wake();
    if (tell) receiver.gone();
  };
  const forgetIfDone = () => {
    if (state.endedHere && state.endedThere) over(false);
  };
  const giveBack = (bytes: number) => {
    state.owed -= bytes;
    if (state.isOver) return;
    const count = Buffer.allocUnsafe(4);
    count.writeUInt32BE(bytes);
    write(encodeFrame(kinds.credit, id, count));
  };
  const reset = () => {
    if (!state.isOver) write(encodeFrame(kinds.reset, id));
    over(false);
  };
  /** In the order it came; a receiver that fails ends its channel, not the others. */
  const inOrder = (work: () => void | Promise<void>) => {
    queue.last = queue.last.then(work).catch(reset);
  };

  return {
    send: async (bytes) => {
      for (const [piece] of piecesOf(bytes)) {
        while (state.room < piece.length && !state.isOver) await new Promise<void>((wake) => waiting.push(wake));
        if (state.isOver || state.endedHere) throw new Error('the channel is over');
        state.room -= piece.length;
        write(encodeFrame(kinds.data, id, piece));
      }
    },
    end: () => {
      if (state.isOver || state.endedHere) return;
      state.endedHere = true;
      write(encodeFrame(kinds.end, id));
      forgetIfDone();
    },
    reset,
    taken: () => queue.last,
    hearData: (payload) => {
      state.owed += payload.length;
      if (state.owed > windowBytes || state.endedThere) throw new Error(`channel ${id} sends more than it may`);
      const chunk = Buffer.from(payload);
      inOrder(async () => {
        // Also where the channel is over by now: what came before that was sent to be heard.
        await receiver.data(chunk);
        giveBack(chunk.length);
      });
    },
    hearEnd: () => {
      state.endedThere = true;
      inOrder(() => {
        receiver.end();
        forgetIfDone();
      });
    },
    hearCredit: (bytes) => {
      state.room += bytes;
      if (state.room > windowBytes) throw new Error(`channel ${id} was given more than it sent`);
      for (const wake of waiting.splice(0)) wake();
    },
    hearReset: () => over(true),
  };
}

function piecesOf(bytes: Buffer): [Buffer, boolean][] {
  const count = Math.max(1, Math.ceil(bytes.length / payloadBytesMax));
  return Array.from({ length: count }, (_, index) => [
    bytes.subarray(index * payloadBytesMax, (index + 1) * payloadBytesMax),
    index === count - 1,
  ]);
}
