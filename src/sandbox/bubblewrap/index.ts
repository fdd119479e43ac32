import type { Sandbox } from '../../contracts/sandbox.ts';
import { untilAborted } from '../../lib/until-aborted.ts';
import { createPool } from '../shared/pool.ts';
import { refuseIfUnwritable } from '../shared/work-folder.ts';
import { bindablePath } from './binaries.ts';
import { erect, type ReadyWall, tearDown } from './erect.ts';
import { layFoundation } from './foundation.ts';
import { pack } from './pack.ts';
import { reclaimAbandoned } from './reclaim.ts';
import { createWall } from './wall.ts';

export interface BubblewrapOptions {
  /** Holds the slots' folders. As root every other user must be able to get through to it. */
  readonly workDir: string;
  /** Of the node and the claude that programs inside get. */
  readonly nodePath: string;
  readonly claudePath?: string;
  /** Walls kept ready ahead of need. */
  readonly slots: number;
}

/** The wall of bubblewrap. Nothing is touched before `warm` or `enter`. */
export function createBubblewrap(options: BubblewrapOptions): Sandbox {
  const foundation = untilItWorks(() => layFoundation(options.workDir, options.slots + spareSlots));
  const { nodePath, claudePath } = options;
  const bindable = (path: string) => untilItWorks(async () => bindablePath(path, (await foundation()).workDir));
  const node = bindable(nodePath);
  const claude = claudePath === undefined ? undefined : bindable(claudePath);
  const discard = async (ready: ReadyWall) => tearDown(ready, (await foundation()).slots);
  const pool = createPool<ReadyWall>({
    size: options.slots,
    make: async () => erect(await foundation(), { door: false, binaries: { node: await node() } }),
    isUsable: ({ standing }) => standing.isStanding(),
    discard,
  });
  /** Claude stands in walls with a door only: without one it could do nothing. */
  const erectWithDoor = async () => {
    const binaries = { node: await node(), ...(claude === undefined ? {} : { claude: await claude() }) };
    return erect(await foundation(), { door: true, binaries });
  };
  const state: { reclaiming: Promise<void> | undefined } = { reclaiming: undefined };
  const reclaim = async () => {
    try {
      await reclaimAbandoned((await foundation()).workDir);
    } catch {
      // A wall that needs the place meets the same difficulty, and says so.
    }
  };
  return {
    technology: 'bubblewrap',
    warm: () => {
      pool.refill();
      state.reclaiming ??= reclaim();
    },
    enter: async ({ door, signal }) => {
      signal.throwIfAborted();
      const ground = await untilAborted(foundation(), signal);
      refuseIfUnwritable(ground.workDir);
      const taking = door ? erectWithDoor() : pool.take();
      const ready = await untilAborted(taking, signal).catch(async (reason) => {
        await taking.then(discard, () => undefined);
        throw reason;
      });
      return createWall(ready, {
        watch: ground.watch,
        pack: ({ slot }, collect) => pack(slot, ground, collect),
        tearDown: async (used) => {
          await discard(used);
          // Not at `enter`: building the next wall would take a processor from the program in this one.
          pool.refill();
        },
      });
    },
    close: async () => {
      await pool.close();
      await state.reclaiming;
      await foundation.made()?.then(
        ({ slots }) => slots.close(),
        () => undefined,
      );
    },
  };
}

/** Slots kept while they have no wall: those whose runs have just ended. */
const spareSlots = 4;

/** The same promise at every call, until it rejects: then the next call tries anew. */
function untilItWorks<T>(make: () => Promise<T>): { (): Promise<T>; made(): Promise<T> | undefined } {
  const state: { made: Promise<T> | undefined } = { made: undefined };
  const get = () => {
    state.made ??= make().catch((error) => {
      state.made = undefined;
      throw error;
    });
    return state.made;
  };
  return Object.assign(get, { made: () => state.made });
}
