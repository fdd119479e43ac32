import type { Collected, CollectOptions, Running, Wall, WallLimits } from '../../contracts/sandbox.ts';
import { refuseImpossible } from '../shared/environment.ts';
import { pack } from './pack.ts';
import { createPlacing } from './place.ts';
import { type Place, runProgram } from './run.ts';

export interface WallUses {
  /** A place with these limits, which are fixed when a container is made: the same one where it has them. */
  readonly withLimits: (place: Place, limits: WallLimits) => Promise<Place>;
  /** Called when the program is dead. */
  readonly ended: () => void;
  /** Called once, at `remove`. */
  readonly tearDown: (place: Place) => Promise<void>;
}

export function createWall(first: Place, { withLimits, ended, tearDown }: WallUses): Wall {
  const placing = createPlacing();
  const state: {
    place: Promise<Place>;
    running: Running | undefined;
    leaving: Promise<void> | undefined;
    removal: Promise<void> | undefined;
  } = { place: Promise.resolve(first), running: undefined, leaving: undefined, removal: undefined };
  const end = async (): Promise<Place> => {
    state.running?.kill('stopped');
    await state.running?.ended;
    // Where no other place could be made, the first one is still there.
    return state.place.catch(() => first);
  };
  /** Another container knows nothing of what the first was given. */
  const prepare = async (limits: WallLimits, needless: AbortSignal): Promise<Place> => {
    const place = await withLimits(first, limits);
    if (place === first) return place;
    try {
      await placing.carryOver(first.container, place.container, needless);
    } catch (error) {
      await place.container.remove();
      throw error;
    }
    state.leaving = first.container.remove();
    return place;
  };
  const remove = async () => {
    await tearDown(await end());
    await state.leaving;
  };
  return {
    place: async (files) => {
      if (state.running !== undefined) throw new Error('Files are placed before the program has started, never after.');
      await placing.place(first.container, files);
    },
    start: (program, observer) => {
      if (state.running !== undefined) throw new Error('A wall takes one program.');
      refuseImpossible(program);
      const killed = new AbortController();
      state.place = prepare(program.limits, killed.signal);
      const running = runProgram(state.place, program, observer);
      state.running = {
        ended: running.ended,
        kill: (reason) => {
          running.kill(reason);
          killed.abort();
        },
      };
      void running.ended.then(ended);
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
