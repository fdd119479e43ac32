import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { RunyardError } from '../../contracts/errors.ts';
import { descriptors, type Mounts, wallArguments } from './arguments.ts';
import { type Bwrap, type BwrapOptions, pipeOf, spawnBwrap } from './bwrap.ts';
import { checkWall } from './checks.ts';
import { type Door, doorOf } from './door.ts';
import { type Handshake, handshakeOver } from './handshake.ts';
import { words } from './init.ts';
import { bwrapFailure, bwrapMissing } from './messages.ts';
import type { OutputStream } from './output-stream.ts';
import type { Slot } from './slot.ts';
import { killIfThere, sweep } from './sweep.ts';

/** A wall that stands and was checked. Its pid 1 waits for `go`. */
export interface StandingWall {
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly door: Door | undefined;
  /** As the host counts. */
  readonly pidOfInit: number;
  readonly handshake: Handshake;
  /** bwrap's exit code, null where bwrap itself was killed. Its end proves that everything inside has ended. */
  readonly exited: Promise<number | null>;
  isStanding(): boolean;
  /** Kills pid 1, and by it everything inside. */
  kill(): void;
}

export interface Blueprint extends BwrapOptions {
  readonly mounts: Mounts;
  /** Called with bwrap's pid before anything is built, so that all of it counts for the wall's limits. */
  readonly beforeBuilding: (pid: number) => Promise<void>;
}

const buildTimeoutMs = 10_000;

/** Builds a wall in the slot, up to the point where only the program is missing. Throws `sandbox_unavailable`. */
export async function buildWall(slot: Slot, blueprint: Blueprint): Promise<StandingWall> {
  const bwrap = spawnBwrap(slot, blueprint);
  const { child, stdout, stderr } = bwrap;
  if (child.pid === undefined) throw await notStarted(bwrap);
  // A bwrap that was killed itself proves nothing: what is inside dies on its own, a little later.
  const exited = bwrap.exited.then(async (code) => {
    if (code === null) await sweep(slot.identity);
    return code;
  });
  // A wall that waits has nobody who hears of a failed sweep yet; whoever ends it does.
  exited.catch(() => undefined);
  const handshake = handshakeOver(pipeOf(child, descriptors.handshake));
  const opened = blueprint.door ? doorOf(child) : undefined;
  // Asked for only where the wall stands; where it does not, that is the reason.
  opened?.catch(() => undefined);
  const giveUp = setTimeout(() => child.kill('SIGKILL'), buildTimeoutMs);
  try {
    await blueprint.beforeBuilding(child.pid);
    const pidOfInit = await raise(bwrap, slot, { handshake, mounts: blueprint.mounts });
    const door = await opened;
    const isStanding = () => child.exitCode === null && child.signalCode === null;
    const kill = () => {
      if (isStanding()) killIfThere(pidOfInit);
    };
    return { stdout, stderr, door, pidOfInit, handshake, exited, isStanding, kill };
  } catch (error) {
    child.kill('SIGKILL');
    handshake.end();
    await opened?.then(
      (door) => door.close(),
      () => undefined,
    );
    await exited;
    stdout.destroy();
    stderr.destroy();
    throw error;
  } finally {
    clearTimeout(giveUp);
  }
}

interface Raising {
  readonly handshake: Handshake;
  readonly mounts: Mounts;
}

/** Sends the arguments, waits for `ready`, and looks at what stands there. Gives the pid of init, as the host counts. */
async function raise({ child, stderr, exited }: Bwrap, slot: Slot, { handshake, mounts }: Raising): Promise<number> {
  const args = pipeOf(child, descriptors.args);
  // bwrap that ends early resets the socket; what it says on stderr is the reason.
  args.on('error', () => args.destroy());
  args.end(wallArguments(mounts));
  if ((await handshake.next()) !== words.ready) {
    await Promise.race([exited, delay(1_000)]);
    throw bwrapFailure(await stderr.text());
  }
  const { 'child-pid': pid } = infoOfBwrap.parse(JSON.parse(slot.info.text()));
  await checkWall(pid, [0, 1, 2, descriptors.handshake, descriptors.stderr]);
  return pid;
}

const infoOfBwrap = z.object({ 'child-pid': z.int().min(2) });

async function notStarted({ spawnError, stdout, stderr }: Bwrap): Promise<RunyardError> {
  stdout.destroy();
  stderr.destroy();
  const error = await spawnError;
  if (error.code === 'ENOENT') return bwrapMissing(error);
  return new RunyardError('sandbox_unavailable', `bwrap could not be started: ${error.code ?? error.message}.`, {
    cause: error,
  });
}
