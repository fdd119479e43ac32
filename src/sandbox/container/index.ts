import { randomUUID } from 'node:crypto';
import { limits, sizes } from '../../contracts/limits.ts';
import type { Sandbox, WallLimits } from '../../contracts/sandbox.ts';
import { untilAborted } from '../../lib/until-aborted.ts';
import { createPool } from '../shared/pool.ts';
import { containerArguments } from './arguments.ts';
import { type Container, startContainer } from './container.ts';
import { openDoor } from './door.ts';
import { type ContainerOptions, layGround } from './ground.ts';
import { removeAbandoned } from './reclaim.ts';
import type { Place } from './run.ts';
import { createWall } from './wall.ts';

export type { ContainerOptions };

/** What most programs may use: the containers made ahead fit them, until a program comes that may use something else. */
const usualLimits: WallLimits = {
  ...sizes.small,
  processes: limits.processesMax,
  workspaceBytes: limits.workspaceBytesMax,
  workspaceInodes: limits.workspaceInodesMax,
};
const readyMax = 3;

interface Made {
  readonly container: Container;
  readonly limits: WallLimits;
}

/** The wall of podman or docker. Nothing is touched before `warm` or `enter`. */
export function createContainer(options: ContainerOptions): Sandbox {
  const ground = layGround(options);
  const make = async (wanted: WallLimits): Promise<Made> => {
    const { engine, image, init, labels } = await ground();
    const name = `runyard-${randomUUID()}`;
    const args = containerArguments(engine, { name, image, labels, limits: wanted, init });
    return { container: await startContainer(engine, name, { args, image }), limits: wanted };
  };
  const discard = ({ container }: Made) => container.remove();
  const state: { limits: WallLimits; asked: WallLimits; reclaiming: Promise<void> | undefined } = {
    limits: usualLimits,
    asked: usualLimits,
    reclaiming: undefined,
  };
  /** What was asked for twice is what is asked for next, more often than not: the containers made ahead fit it then. */
  const learn = (wanted: WallLimits) => {
    if (keepsAsMuch(state.asked, wanted)) state.limits = wanted;
    state.asked = wanted;
  };
  const pool = createPool<Made>({
    size: Math.min(options.slots, readyMax),
    make: () => make(state.limits),
    isUsable: ({ container }) => container.isStanding(),
    discard,
  });
  const takeFitting = async (wanted: WallLimits): Promise<Made> => {
    learn(wanted);
    if (!keepsAsMuch(state.limits, wanted)) return make(wanted);
    const made = await pool.take();
    if (keepsAsMuch(made.limits, wanted)) return made;
    const [other] = await Promise.all([make(wanted), discard(made)]);
    return other;
  };
  const withDoor = async (made: Made, door: boolean): Promise<Place & Made> => {
    try {
      return { ...made, door: door ? await openDoor(made.container) : undefined };
    } catch (error) {
      await discard(made);
      throw error;
    }
  };
  const reclaim = async () => {
    try {
      await removeAbandoned((await ground()).engine);
    } catch {
      // A wall that needs the engine meets the same difficulty, and says so.
    }
  };
  return {
    technology: 'container',
    warm: () => {
      pool.refill();
      state.reclaiming ??= reclaim();
    },
    enter: async ({ door, limits: promised, signal }) => {
      signal.throwIfAborted();
      const taken = promised === undefined ? pool.take() : takeFitting(promised);
      const taking = taken.then((made) => withDoor(made, door));
      const first = await untilAborted(taking, signal).catch(async (reason) => {
        await taking.then(discard, () => undefined);
        throw reason;
      });
      return createWall(first, {
        withLimits: async (place, wanted) => {
          if (promised === undefined) learn(wanted);
          if (keepsAsMuch(first.limits, wanted)) return place;
          return withDoor(await make(wanted), door);
        },
        tearDown: async ({ container }) => {
          // Not at `enter`: making the next one would take a processor from the program in this one.
          pool.refill();
          await container.remove();
        },
        // Not later: to the engine the next one is more work than a small program is to the machine.
        ended: () => pool.refill(),
      });
    },
    close: async () => {
      await pool.close();
      await state.reclaiming;
    },
  };
}

/** Of those limits that are fixed with the container; pid 1 looks after the others. */
function keepsAsMuch(a: WallLimits, b: WallLimits): boolean {
  return a.memoryBytes === b.memoryBytes && a.cpus === b.cpus && a.processes === b.processes;
}
