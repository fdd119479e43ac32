import { Server } from 'node:net';
import { Duplex } from 'node:stream';
import type { Channel, Receiver } from './protocol/link.ts';

/** The listener that stands inside a wall, as a server of ours. */
export interface Door {
  readonly server: Server;
  /** Takes a connection made inside; undefined where there are too many, or nobody serves them. */
  connection(channel: Channel): Receiver | undefined;
  /** Ends every connection. */
  close(): void;
}

/** More than any client keeps open at once; each costs the runner memory. Whoever serves may allow fewer. */
const connectionsMax = 128;

/** A server for connections that come over a link. It listens nowhere on this side. */
export function createDoor(): Door {
  const server = new Server();
  server.maxConnections = connectionsMax;
  const open = new Set<Duplex>();
  return {
    server,
    connection: (channel) => {
      if (open.size >= server.maxConnections || server.listenerCount('connection') === 0) return undefined;
      const { stream, receiver } = streamOver(channel);
      open.add(stream);
      stream.once('close', () => open.delete(stream));
      // Whoever serves it hears of it too; this one keeps an end before that from ending the process.
      stream.on('error', () => stream.destroy());
      server.emit('connection', stream);
      return receiver;
    },
    close: () => {
      for (const stream of open) stream.destroy();
    },
  };
}

/** A channel as a stream: what is not read here is not sent there, and the other way round. */
function streamOver(channel: Channel): { stream: Duplex; receiver: Receiver } {
  const room: { wake: () => void } = { wake: () => undefined };
  const stream = new Duplex({
    read: () => room.wake(),
    write: (chunk: Buffer, _encoding, done) => void channel.send(chunk).then(() => done(), done),
    final: (done) => {
      channel.end();
      done();
    },
    destroy: (error, done) => {
      channel.reset();
      room.wake();
      done(error);
    },
  });
  const receiver: Receiver = {
    data: (chunk) => {
      if (stream.destroyed || stream.push(chunk)) return;
      return new Promise((resolve) => {
        room.wake = resolve;
      });
    },
    end: () => void stream.push(null),
    gone: () => void stream.destroy(),
  };
  return { stream, receiver };
}
