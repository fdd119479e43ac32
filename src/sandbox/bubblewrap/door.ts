import type { ChildProcess } from 'node:child_process';
import { Server, type Socket } from 'node:net';
import { RunyardError } from '../../contracts/errors.ts';

/** A listener inside the wall's own network namespace, in our hands. */
export interface Door {
  readonly server: Server;
  /** Ends every connection and the listener. */
  close(): void;
}

/** More than any client keeps open at once; each costs the runner memory. */
const connectionsMax = 128;

/** Resolves with the listener that the helper inside hands out; rejects with `sandbox_unavailable` where none comes. */
export function doorOf(child: ChildProcess): Promise<Door> {
  return new Promise((resolve, reject) => {
    child.once('message', (_message, handle) => {
      if (handle instanceof Server) resolve(guarded(handle));
    });
    child.once('disconnect', () => {
      reject(
        new RunyardError('sandbox_unavailable', 'The door in the wall could not be opened: nothing listens inside.'),
      );
    });
  });
}

function guarded(server: Server): Door {
  const connections = new Set<Socket>();
  server.maxConnections = connectionsMax;
  server.on('connection', (connection) => {
    connections.add(connection);
    // Whoever serves it hears of it too; this one keeps an end before that from ending the process.
    connection.on('error', () => connection.destroy());
    connection.once('close', () => connections.delete(connection));
  });
  return {
    server,
    close: () => {
      server.close();
      for (const connection of connections) connection.destroy();
    },
  };
}
