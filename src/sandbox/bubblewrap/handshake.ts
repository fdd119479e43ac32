import type { Socket } from 'node:net';

/** The line to init, on a descriptor that no program inside has. */
export interface Handshake {
  /** Resolves with the next word; undefined once init is gone. */
  next(): Promise<string | undefined>;
  send(word: string): void;
  /** Resolves when nobody inside holds the other end. */
  readonly ended: Promise<void>;
  end(): void;
}

export function handshakeOver(socket: Socket): Handshake {
  const words: string[] = [];
  const waiting: ((word: string | undefined) => void)[] = [];
  const state = { rest: '', isOver: false };
  socket.setEncoding('utf8');
  socket.on('data', (text: string) => {
    const lines = (state.rest + text).split('\n');
    state.rest = lines.pop() ?? '';
    for (const line of lines) {
      const waiter = waiting.shift();
      if (waiter === undefined) words.push(line);
      else waiter(line);
    }
  });
  // A peer that was killed resets the connection; the end of the wall is told by bwrap's exit.
  socket.on('error', () => socket.destroy());
  const ended = new Promise<void>((resolve) => {
    socket.once('close', () => {
      state.isOver = true;
      for (const waiter of waiting.splice(0)) waiter(undefined);
      resolve();
    });
  });
  return {
    next: () => {
      const word = words.shift();
      if (word !== undefined || state.isOver) return Promise.resolve(word);
      return new Promise((resolve) => waiting.push(resolve));
    },
    send: (word) => void socket.write(`${word}\n`),
    ended,
    end: () => void socket.destroy(),
  };
}
