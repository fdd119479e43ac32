import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import type { Channel, Link } from '../../shared/protocol/link.ts';

/** Listens on the wall's own loopback for as long as the wall stands. Each connection becomes a channel to the runner. */
export async function openDoor(link: Link, port: number): Promise<void> {
  const server = createServer({ allowHalfOpen: true }, (socket) => carry(socket, link));
  server.listen({ host: '127.0.0.1', port });
  await once(server, 'listening');
}

function carry(socket: Socket, link: Link): void {
  socket.on('error', () => socket.destroy());
  const channel = link.open({
    data: (chunk) => written(socket, chunk),
    end: () => void socket.end(),
    gone: () => void socket.destroy(),
  });
  pump(socket, channel);
}

function written(socket: Socket, chunk: Buffer): void | Promise<void> {
  if (socket.write(chunk) || socket.destroyed) return;
  return new Promise((resolve) => {
    const goOn = () => {
      socket.off('drain', goOn).off('close', goOn);
      resolve();
    };
    socket.on('drain', goOn).on('close', goOn);
  });
}

/** Not by `for await`, which would destroy the socket at the end of its first half. */
function pump(socket: Socket, channel: Channel): void {
  const state: { sending: Promise<void> } = { sending: Promise.resolve() };
  socket.on('data', (chunk: Buffer) => {
    socket.pause();
    state.sending = channel.send(chunk).then(
      () => void socket.resume(),
      () => void socket.destroy(),
    );
  });
  socket.once('end', () => void state.sending.then(channel.end));
  socket.once('close', () => void state.sending.then(channel.reset));
}
