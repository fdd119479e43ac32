import { randomBytes } from 'node:crypto';
import { asRunyardError, RunyardError } from '../../contracts/errors.ts';
import { runArguments } from './arguments.ts';
import { checkStanding } from './checks.ts';
import type { Ground, WallFolder } from './ground.ts';
import { type Raised, raise } from './raise.ts';

/** Who must not answer from inside: Google's metadata server. */
export const metadataServer = { host: '169.254.169.254', port: 80 };

export interface ErectedWall {
  readonly raised: Raised;
  readonly folder: WallFolder;
}

export interface Launcher {
  readonly path: string;
  readonly metadata: { readonly host: string; readonly port: number };
}

/** A wall for a program, with a place of its own. Throws `sandbox_unavailable`, and then leaves nothing behind. */
export async function erect(ground: Ground, launcher: Launcher): Promise<ErectedWall> {
  const folder = await ground.makeWallFolder(newName());
  try {
    const { workspace } = folder;
    return { folder, raised: await raiseChecked(ground, launcher, { workspace, writable: true }) };
  } catch (error) {
    await folder.remove();
    if (error instanceof RunyardError) throw error;
    throw new RunyardError('sandbox_unavailable', `The wall could not be built: ${asRunyardError(error).cause}`, {
      cause: error,
    });
  }
}

export interface Purpose {
  readonly workspace: string;
  readonly writable: boolean;
}

/** The launcher now and then loses a sandbox before its program has begun, so it is asked a second time. */
export async function raiseChecked(ground: Ground, launcher: Launcher, purpose: Purpose): Promise<Raised> {
  const raised = await raiseNew(ground, launcher, purpose).catch(() => raiseNew(ground, launcher, purpose));
  try {
    checkStanding(raised.standing, purpose.writable);
    return raised;
  } catch (error) {
    raised.kill();
    await raised.exited;
    throw error;
  }
}

function raiseNew(ground: Ground, { path, metadata }: Launcher, purpose: Purpose): Promise<Raised> {
  const name = newName();
  return raise(path, name, runArguments({ ...ground, ...purpose, name, metadata }));
}

/** Ends everything inside and gives its place back. */
export async function tearDown({ raised, folder }: ErectedWall): Promise<void> {
  raised.kill();
  await raised.exited;
  await folder.remove();
  // Nobody needs to wait for that.
  void raised.forget();
}

function newName(): string {
  return `runyard-${randomBytes(8).toString('hex')}`;
}
