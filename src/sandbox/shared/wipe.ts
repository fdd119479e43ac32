import { execFile } from 'node:child_process';
import { opendirSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
const env = { PATH: '/usr/bin:/bin' };

/**
 * Deletes a folder that untrusted code has written, never following a link. Nothing of that code may be alive.
 * What Node cannot delete (folders nobody may enter, paths longer than the kernel takes) is left to chmod and rm,
 * which walk by descriptor.
 */
export async function wipe(path: string): Promise<void> {
  try {
    if (isSmall(path)) rmSync(path, { recursive: true, force: true });
    else await rm(path, { recursive: true, force: true });
  } catch {
    await run('chmod', ['-R', 'u+rwx', '--', path], { env }).catch(() => undefined);
    await run('rm', ['-rf', '--one-file-system', '--', path], { env });
  }
}

/** Entries that are deleted at once; the way through the thread pool costs more than they do. */
const smallEntries = 12;

/** Whether there is next to nothing below the folder. Links are not followed; what cannot be read is not small. */
function isSmall(path: string): boolean {
  let left = smallEntries;
  const fits = (folder: string): boolean => {
    const entries = opendirSync(folder);
    try {
      for (let entry = entries.readSync(); entry !== null; entry = entries.readSync()) {
        left -= 1;
        if (left < 0 || (entry.isDirectory() && !fits(`${folder}/${entry.name}`))) return false;
      }
      return true;
    } finally {
      entries.closeSync();
    }
  };
  try {
    return fits(path);
  } catch {
    return false;
  }
}
