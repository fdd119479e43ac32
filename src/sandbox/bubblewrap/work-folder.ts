import { chmod, mkdir, realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { getuid } from 'node:process';
import { RunyardError } from '../../contracts/errors.ts';

/**
 * Makes the folder that holds every slot and gives its real path. As root other users must get through it, but not
 * list it. Throws `sandbox_unavailable` where they cannot.
 */
export async function openWorkFolder(workDir: string): Promise<string> {
  const mode = getuid!() === 0 ? 0o711 : 0o700;
  if ((await mkdir(workDir, { recursive: true, mode })) !== undefined) await chmod(workDir, mode);
  const folder = await realpath(workDir);
  await refuseForeign(folder);
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

/** Whoever can write the folder could swap a workspace for something else. */
async function refuseForeign(folder: string): Promise<void> {
  const { uid, mode } = await stat(folder);
  if (uid === getuid!() && (mode & 0o002) === 0) return;
  throw new RunyardError(
    'sandbox_unavailable',
    `The work folder ${folder} belongs to or can be written by other users.`,
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
