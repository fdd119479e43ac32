import { Socket } from 'node:net';
import { setImmediate as turnOfTheLoop } from 'node:timers/promises';

type Sink = (chunk: Buffer) => void | Promise<void>;

/** One stream of what the program prints: our end of a FIFO. Nothing is read before `listen`. */
export interface OutputStream {
  /**
   * Hands over each chunk, in order. While a promise of the sink is open nothing more is read. A
   * sink that fails is not called again; the rest is read and dropped.
   */
  listen(sink: Sink, onFailure: (error: Error) => void): void;
  /** Resolves when everything that was written until now has been handed over. */
  drained(): Promise<void>;
  /** Resolves when no writer is left and everything was handed over. */
  readonly ended: Promise<void>;
  /** What was written and not yet handed over, once no writer is left. */
  text(): Promise<string>;
  destroy(): void;
}

/** Takes over the descriptor. */
export function outputStream(descriptor: number): OutputStream {
  const socket = new Socket({ fd: descriptor, readable: true, writable: false });
  const state: { chunks: number; held: Promise<void> | undefined } = { chunks: 0, held: undefined };
  const ended = new Promise<void>((resolve) => {
    socket.once('close', () => resolve());
  }).then(() => state.held);
  socket.on('error', () => socket.destroy());

  const hold = (work: Promise<void>) => {
    socket.pause();
    state.held = work.then(() => {
      state.held = undefined;
      socket.resume();
    });
  };

  return {
    listen: (sink, onFailure) => {
      const fail = (error: Error) => {
        socket.removeAllListeners('data').on('data', () => undefined);
        onFailure(error);
      };
      socket.on('data', (chunk: Buffer) => {
        state.chunks += 1;
        try {
          const work = sink(chunk);
          if (work !== undefined) hold(work.catch(fail));
        } catch (error) {
          fail(error instanceof Error ? error : new Error(String(error)));
        }
      });
    },
    drained: async () => {
      for (;;) {
        const before = state.chunks;
        await state.held;
        // What was written before now is reported by the poll of one whole turn.
        await turnOfTheLoop();
        await turnOfTheLoop();
        if (state.chunks === before && state.held === undefined) return;
      }
    },
    ended,
    text: async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of socket) chunks.push(chunk);
      return Buffer.concat(chunks).toString('utf8');
    },
    destroy: () => void socket.destroy(),
  };
}
