import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { setTimeout as delay, setImmediate as turnOfTheLoop } from 'node:timers/promises';
import type { Channel, Receiver } from '../../shared/protocol/link.ts';

/** One stream of what the programs print, on its way to the runner. */
export interface Output {
  /** The descriptor programs write to: a FIFO, because a program can open `/dev/stdout` anew only where it is no socket. */
  readonly writer: number;
  /** Resolves when what was written until now is on its way. */
  drained(): Promise<void>;
  /** No program may write any more: resolves when everything is on its way. */
  close(): Promise<void>;
}

/** A survivor that holds the other end open keeps nobody longer than this. */
const lastWordsMs = 1_000;
/** Of a process in the background that never stops printing, the rest belongs to the next step. */
const turnsMax = 1_000;

export function openOutput(path: string, attach: (receiver: Receiver) => Channel): Output {
  execFileSync('/usr/bin/mkfifo', ['-m', '600', path], { env: {} });
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = openSync(path, constants.O_WRONLY);
  const channel = attach({ data: () => undefined, end: () => undefined, gone: () => undefined });
  const socket = new Socket({ fd: reader, readable: true, writable: false });
  const state: { chunks: number; sending: Promise<void> | undefined } = { chunks: 0, sending: undefined };
  socket.on('data', (chunk: Buffer) => {
    state.chunks += 1;
    socket.pause();
    state.sending = channel.send(chunk).then(
      () => {
        state.sending = undefined;
        socket.resume();
      },
      () => void socket.destroy(),
    );
  });
  socket.on('error', () => socket.destroy());
  const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  return {
    writer,
    drained: async () => {
      for (let turn = 0; turn < turnsMax; turn += 1) {
        const before = state.chunks;
        await state.sending;
        // What was written before now is reported by the poll of one whole turn.
        await turnOfTheLoop();
        await turnOfTheLoop();
        if (state.chunks === before && state.sending === undefined) return;
      }
    },
    close: async () => {
      closeSync(writer);
      await Promise.race([ended, delay(lastWordsMs)]);
      socket.destroy();
    },
  };
}
