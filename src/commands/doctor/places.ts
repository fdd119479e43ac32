import { access, constants, mkdtemp, rmdir, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Finding } from '../../contracts/sandbox.ts';

const freeBytesWanted = 4 * 1024 ** 3;

/** Where tasks are kept. */
export async function storeFinding(home: string): Promise<Finding> {
  return folderFinding('store disk', join(home, 'store'), 'RUNYARD_HOME');
}

/** Where programs run. */
export async function workFinding(work: string): Promise<Finding> {
  return folderFinding('work disk', work, 'RUNYARD_WORK');
}

/** The key that seals tasks: nobody else may read it. */
export async function keyFinding(home: string): Promise<Finding> {
  const subject = 'key';
  const path = join(home, 'key');
  const found = await statOf(path);
  if (found === undefined) return { subject, state: 'ok', detail: `${path} is made at the first start` };
  const mode = (found.mode & 0o777).toString(8).padStart(4, '0');
  if ((found.mode & 0o077) !== 0) {
    return {
      subject,
      state: 'limited',
      detail: `${path} has mode ${mode}: others can read it`,
      remedy: `chmod 600 ${path}`,
    };
  }
  if (!(await allows(path, constants.R_OK))) {
    return {
      subject,
      state: 'missing',
      detail: `${path} belongs to another user`,
      remedy: 'start Runyard as that user, or set RUNYARD_HOME',
    };
  }
  return { subject, state: 'ok', detail: `${path}, mode ${mode}` };
}

async function folderFinding(subject: string, path: string, variable: string): Promise<Finding> {
  const existing = await nearestThere(path);
  const elsewhere = `set ${variable} to a folder that can be written`;
  if (!(await isWritable(existing)))
    return { subject, state: 'missing', detail: `${existing} cannot be written`, remedy: elsewhere };
  const { bavail, bsize } = await statfs(existing);
  const free = `${((bavail * bsize) / 1024 ** 3).toFixed(1)} GiB free`;
  const detail = `${path}${existing === path ? '' : ' (made at the first start)'}, ${free}`;
  if (bavail * bsize < freeBytesWanted) {
    return {
      subject,
      state: 'limited',
      detail,
      remedy: `free some disk: one run may use up to ${freeBytesWanted / 1024 ** 3} GiB; or set ${variable}`,
    };
  }
  return { subject, state: 'ok', detail };
}

/** Tried, not read off the mode: root, read-only mounts and quotas all have their own opinion. */
async function isWritable(folder: string): Promise<boolean> {
  try {
    await rmdir(await mkdtemp(join(folder, '.doctor-')));
    return true;
  } catch {
    return false;
  }
}

/** The path itself or what is there of the way to it. */
async function nearestThere(path: string): Promise<string> {
  return path === dirname(path) || (await statOf(path)) !== undefined ? path : nearestThere(dirname(path));
}

async function statOf(path: string) {
  return stat(path).catch(() => undefined);
}

async function allows(path: string, mode: number): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  );
}
