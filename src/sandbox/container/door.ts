import { RunyardError } from '../../contracts/errors.ts';
import { wallPaths } from '../../contracts/sandbox.ts';
import { createDoor, type Door } from '../shared/door.ts';
import type { Talk } from './talk.ts';

export type { Door };

/** Opens the listener inside; pid 1 holds it. Throws `sandbox_unavailable` where it cannot be opened. */
export async function openDoor(talk: Talk): Promise<Door> {
  const answer = await talk.ask({ order: 'door', port: wallPaths.doorPort });
  if (answer?.answer !== 'done') {
    throw new RunyardError('sandbox_unavailable', 'The door in the wall could not be opened: nothing listens inside.');
  }
  return createDoor();
}
