import type { Server } from 'node:net';
import { type Sandbox, wallPaths } from '../../contracts/sandbox.ts';
import { untilAborted } from '../../lib/until-aborted.ts';
import { createPool } from '../shared/pool.ts';
import { refuseIfUnwritable } from '../shared/work-folder.ts';
import { openDoor } from './door.ts';
import { type ErectedWall, erect, metadataServer, tearDown } from './erect.ts';
import { type Ground, layGround, reclaimAbandoned } from './ground.ts';
import type { LauncherOptions } from './options.ts';
import { pack } from './pack.ts';
import { createWall } from './wall.ts';

export type { LauncherOptions };

/** The wall of Cloud Run's own launcher. Nothing is touched before `warm` or `enter`. */
export function createLauncher(options: LauncherOptions): Sandbox {
  const launcher = { path: options.launcherPath, metadata: options.metadata ?? metadataServer };
  const state: { ground: Promise<Ground> | undefined; reclaiming: Promise<void> | undefined } = {
    ground: undefined,
    reclaiming: undefined,
  };
  const ground = () => {
    state.ground ??= layGround(options).catch((error) => {
      state.ground = undefined;
      throw error;
    });
    return state.ground;
  };
  const pool = createPool<ErectedWall>({
    size: Math.min(options.slots, 1),
    make: async () => erect(await ground(), launcher),
    isUsable: ({ raised }) => raised.isStanding(),
    discard: tearDown,
  });
  const reclaim = async () => {
    try {
      await reclaimAbandoned((await ground()).workDir);
    } catch {
      // A wall that needs the place meets the same difficulty, and says so.
    }
  };
  /** With the door open where there is to be one. */
  const takeWall = async (door: boolean): Promise<{ wall: ErectedWall; door?: Server }> => {
    const wall = await pool.take();
    try {
      return door ? { wall, door: await openDoor(wall.raised, wallPaths.doorPort) } : { wall };
    } catch (error) {
      await tearDown(wall);
      throw error;
    }
  };
  return {
    technology: 'cloud-run-launcher',
    warm: () => {
      pool.refill();
      state.reclaiming ??= reclaim();
    },
    enter: async ({ door, signal }) => {
      signal.throwIfAborted();
      const standsOn = await untilAborted(ground(), signal);
      refuseIfUnwritable(standsOn.workDir);
      const taking = takeWall(door);
      const taken = await untilAborted(taking, signal).catch(async (reason) => {
        await taking.then(({ wall }) => tearDown(wall)).catch(() => undefined);
        throw reason;
      });
      return createWall(taken.wall, {
        ...standsOn,
        ...taken,
        pack: (collect) => pack(taken.wall.folder, standsOn, launcher, collect),
        tearDown: async () => {
          await tearDown(taken.wall);
          pool.refill();
        },
      });
    },
    close: async () => {
      await pool.close();
      await state.reclaiming;
      await state.ground?.then(
        ({ leave }) => leave(),
        () => undefined,
      );
    },
  };
}
