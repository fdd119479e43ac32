import { accessSync, constants, statfsSync } from 'node:fs';
import { chmod, realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { getuid } from 'node:process';
import { RunyardError } from '../../contracts/errors.ts';
import { makeFolder } from '../../lib/make-folder.ts';

/**
 * Makes the folder that holds every slot and gives its real path. As root other users must get through it, but not
 * list it. Throws `sandbox_unavailable` with the folder and the reason where it cannot be made, written or reached.
 */
export async function openWorkFolder(workDir: string): Promise<string> {
  const folder = await ownFolder(workDir).catch((error) => refuseWorkFolder(workDir, error));
  refuseIfUnwritable(folder);
  if (getuid!() !== 0) return folder;
  const closed = await closedFolderOf(folder);
  if (closed !== undefined) {
    throw new RunyardError(
      'sandbox_unavailable',
      `As root Runyard runs every program as another user, and other users cannot enter ${closed}, where its work folder lies.`,
      { hint: 'Set RUNYARD_WORK to a folder that other users can reach, such as /var/lib/runyard.' },
    );
  }
  return folder;
}

async function ownFolder(workDir: string): Promise<string> {
  const mode = getuid!() === 0 ? 0o711 : 0o700;
  if (makeFolder(workDir, mode)) await chmod(workDir, mode);
  const folder = await realpath(workDir);
  await refuseForeign(folder);
  return folder;
}

const reasons: Readonly<Record<string, string>> = {
  EROFS: 'its disk is read-only',
  ENOSPC: 'its disk is full',
  EDQUOT: 'the quota of its disk is used up',
  ENOTDIR: 'something on the way to it is no folder',
  EEXIST: 'it is no folder',
  EACCES: 'this user may not make or write it',
  EPERM: 'this user may not make or write it',
  ENOENT: 'no folder can be made there',
};

/** What the kernel says of the work folder as `sandbox_unavailable`; what is one of ours already stays. */
export function refuseWorkFolder(workDir: string, error: unknown): never {
  if (error instanceof RunyardError) throw error;
  const { code = '' } = error as NodeJS.ErrnoException;
  throw new RunyardError(
    'sandbox_unavailable',
    `The work folder ${workDir} cannot be used: ${reasons[code] ?? String(error)}.`,
    { hint: 'Set RUNYARD_WORK to a folder that this user can write, on a disk with room.', cause: error },
  );
}

/** A program, what it is given and what its wall is made of fit into this. */
const roomNeeded = { bytes: 16 * 1024 ** 2, inodes: 64 };

/** Throws `sandbox_unavailable` where no program can be placed now. Costs two calls into the kernel. */
export function refuseIfUnwritable(folder: string): void {
  try {
    accessSync(folder, constants.W_OK);
  } catch (error) {
    refuseWorkFolder(folder, error);
  }
  const left = whatIsLeft(folder);
  if (left === undefined) return;
  throw new RunyardError(
    'sandbox_unavailable',
    `The work folder ${folder} cannot be used: its disk is full, with ${left} left.`,
    { hint: 'Free some of its disk, or set RUNYARD_WORK to a folder on another one.' },
  );
}

/** In words where it is too little. Some file systems count neither bytes nor inodes: those never run out. */
function whatIsLeft(folder: string): string | undefined {
  const { blocks, bavail, bsize, files, ffree } = statfsSync(folder);
  if (blocks > 0 && bavail * bsize < roomNeeded.bytes) return `${Math.floor((bavail * bsize) / 1024)} KiB`;
  if (files > 0 && ffree < roomNeeded.inodes) return `${ffree} inodes`;
  return undefined;
}

/** Whoever can write the folder could swap a workspace for something else. */
async function refuseForeign(folder: string): Promise<void> {
  const { uid, mode } = await stat(folder);
  if (uid === getuid!() && (mode & 0o002) === 0) return;
  throw new RunyardError(
    'sandbox_unavailable',
    `The work folder ${folder} cannot be used: it belongs to or can be written by other users.`,
    {
      hint: 'Set RUNYARD_WORK to a folder of your own, or one that is not there yet.',
    },
  );
}

/** The topmost folder on the way to (and including) this real path that other users cannot enter. */
export async function closedFolderOf(path: string): Promise<string | undefined> {
  const above = path === '/' ? undefined : await closedFolderOf(dirname(path));
  if (above !== undefined) return above;
  const { mode } = await stat(path);
  return (mode & 0o001) === 0 ? path : undefined;
}
