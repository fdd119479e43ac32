import { join } from 'node:path';
import { RunyardError } from '../../contracts/errors.ts';
import type { Collected, CollectOptions, PlacedFile, Running, Wall, WallLimits } from '../../contracts/sandbox.ts';
import { refuseImpossible } from '../shared/environment.ts';
import type { Container } from './container.ts';
import { pack } from './pack.ts';
import { type Place, runProgram } from './run.ts';

export interface WallUses {
  /** The same place anew with these limits, where it has others: they are fixed when a container is made. */
  readonly withLimits: (place: Place, limits: WallLimits) => Promise<Place>;
  /** Called when the program is dead. */
  readonly ended: () => void;
  /** Called once, at `remove`. */
  readonly tearDown: (place: Place) => Promise<void>;
}

export function createWall(first: Place, { withLimits, ended, tearDown }: WallUses): Wall {
  const placed: PlacedFile[] = [];
  const state: { place: Promise<Place>; running: Running | undefined; removal: Promise<void> | undefined } = {
    place: Promise.resolve(first),
    running: undefined,
    removal: undefined,
  };
  const end = async (): Promise<Place> => {
    state.running?.kill('stopped');
    await state.running?.ended;
    // Where no other place could be made, the first one is still there.
    return state.place.catch(() => first);
  };
  /** Another container knows nothing of what the first was given. */
  const prepare = async (limits: WallLimits): Promise<Place> => {
    const place = await withLimits(first, limits);
    if (place === first) return place;
    try {
      await placeFiles(place.container, placed);
      return place;
    } catch (error) {
      await place.container.remove();
      throw error;
    }
  };
  const remove = async () => {
    await tearDown(await end());
  };
  return {
    place: async (files) => {
      if (state.running !== undefined) throw new Error('Files are placed before the program has started, never after.');
      await placeFiles(first.container, files);
      placed.push(...files);
    },
    start: (program, observer) => {
      if (state.running !== undefined) throw new Error('A wall takes one program.');
      refuseImpossible(program);
      state.place = prepare(program.limits);
      state.running = runProgram(state.place, program, observer);
      void state.running.ended.then(ended);
      return state.running;
    },
    collect: async (options: CollectOptions): Promise<Collected> => {
      const { container } = await end();
      return pack(container, options);
    },
    remove: () => {
      state.removal ??= remove();
      return state.removal;
    },
  };
}

async function placeFiles(container: Container, files: readonly PlacedFile[]): Promise<void> {
  for (const { path, content, mode = 0o644 } of files) {
    const inside = join(path);
    if (inside.startsWith('/') || inside === '..' || inside.startsWith('../') || inside.includes('\0')) {
      throw new RunyardError('invalid_request', 'A file lies outside of the workspace.');
    }
    const answer = await container.ask({ order: 'place', path: inside, mode, bytes: content.length }, content);
    if (answer?.answer === 'done') continue;
    const reason = answer?.answer === 'failed' ? answer.reason : 'Its container has ended.';
    throw new RunyardError('sandbox_unavailable', `A file could not be placed in the sandbox. ${reason}`);
  }
}
