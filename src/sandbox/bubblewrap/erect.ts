import { asRunyardError, RunyardError } from '../../contracts/errors.ts';
import { limits, sizes } from '../../contracts/limits.ts';
import { type WallLimits, wallPaths } from '../../contracts/sandbox.ts';
import { buildWall, type StandingWall } from './build.ts';
import type { Foundation } from './foundation.ts';
import { givenTo, type Slot } from './slot.ts';

/** A wall with its place and its limits, ready for a program. Used once. */
export interface ReadyWall {
  readonly slot: Slot;
  readonly standing: StandingWall;
}

/** What the limits are until the program says otherwise: those of most programs, so that `go` need not wait. */
export const usualLimits: WallLimits = {
  ...sizes.small,
  processes: limits.processesMax,
  workspaceBytes: limits.workspaceBytesMax,
  workspaceInodes: limits.workspaceInodesMax,
};

export interface ErectOptions {
  readonly binaries: Binaries;
  readonly door: boolean;
}

/** Takes a slot and builds a checked wall in it. Throws `sandbox_unavailable`, and then leaves nothing behind. */
export async function erect(foundation: Foundation, { binaries, door }: ErectOptions): Promise<ReadyWall> {
  const { shared, slots } = foundation;
  const slot = await slots.take().catch(refuse);
  const undo = [() => slot.clear(), () => slots.giveBack(slot)];
  try {
    slot.furnish();
    await slot.cgroup.renew(usualLimits);
    const mounted = mountsOf(binaries);
    slot.makePlaces(mounted.map(({ to }) => to));
    const standing = await buildWall(slot, {
      bwrap: foundation.bwrap,
      seccomp: shared.seccomp,
      door,
      beforeBuilding: slot.cgroup.enter,
      mounts: {
        ...shared,
        readOnly: [...givenTo(slot), ...mounted],
        workspace: { from: slot.workspace, writable: true },
      },
    });
    return { slot, standing };
  } catch (error) {
    for (const step of undo) await step();
    return refuse(error);
  }
}

/** Ends everything inside and gives slot and group back. */
export async function tearDown({ slot, standing }: ReadyWall, slots: Foundation['slots']): Promise<void> {
  standing.kill();
  standing.door?.close();
  standing.handshake.end();
  await standing.exited;
  standing.stdout.destroy();
  standing.stderr.destroy();
  await slot.clear();
  await slots.giveBack(slot);
}

/** Paths on the host of what stands under `/runyard/bin`. */
export interface Binaries {
  readonly node: string;
  readonly claude?: string;
}

function mountsOf({ node, claude }: Binaries): { from: string; to: string }[] {
  return [
    { from: node, to: wallPaths.node },
    ...(claude === undefined ? [] : [{ from: claude, to: wallPaths.claude }]),
  ];
}

function refuse(error: unknown): never {
  if (error instanceof RunyardError) throw error;
  throw new RunyardError('sandbox_unavailable', `The wall could not be built: ${asRunyardError(error).cause}`, {
    cause: error,
  });
}
