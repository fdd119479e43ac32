import type { Server } from 'node:net';
import { RunyardError } from '../../contracts/errors.ts';
import { createDoor } from '../shared/door.ts';
import type { Raised } from './raise.ts';

/** Opens the listener inside and gives the server its connections come to. Throws `sandbox_unavailable` where it cannot. */
export async function openDoor(raised: Raised, port: number): Promise<Server> {
  const door = createDoor();
  raised.onConnection(door.connection);
  void raised.exited.then(door.close);
  const answer = await raised.order({ order: 'door', port });
  if (answer.answer !== 'done') {
    throw new RunyardError('sandbox_unavailable', 'The door in the wall could not be opened: nothing listens inside.');
  }
  return door.server;
}
