import { spawn } from 'node:child_process';
import { readdir, readlink, stat } from 'node:fs/promises';

/** What a workspace takes of the disk, measured from outside while the program may run. */

/** Bytes of all files that have a name, without following links or entering other file systems. */
export function bytesBelow(folder: string, signal: AbortSignal): Promise<number> {
  return diskUsage(['-sx', '--block-size=1', '--', folder], signal);
}

export function inodesBelow(folder: string, signal: AbortSignal): Promise<number> {
  return diskUsage(['-sx', '--inodes', '--', folder], signal);
}

/**
 * du walks by descriptor, so no link can lead it out. It may fail on folders that vanish meanwhile or are shut to us,
 * and still prints the sum of the rest. What it says of these is not read: a program can make it say as much as it likes.
 * Rejects where there is no sum.
 */
function diskUsage(args: readonly string[], signal: AbortSignal): Promise<number> {
  return new Promise((resolve, reject) => {
    const env = { PATH: '/usr/bin:/bin' };
    const child = spawn('du', args, { env, cwd: '/', signal, stdio: ['ignore', 'pipe', 'ignore'] });
    // First of all: without a descriptor left there are no pipes either, and the error would end the whole runner.
    child.once('error', reject);
    const said = { text: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said.text += text;
    });
    child.once('close', () => {
      const total = Number.parseInt(said.text, 10);
      if (Number.isNaN(total)) reject(new Error('du told no sum'));
      else resolve(total);
    });
  });
}

/** Descriptors looked at in one go; the free space of the disk stands in for what lies beyond. */
const descriptorsMax = 20_000;

/** Bytes of files without a name that these processes, as the host counts, still hold open on the folder's disk. */
export async function bytesDeletedButOpen(pids: readonly string[], folder: string): Promise<number> {
  const disk = await stat(folder).catch(() => undefined);
  if (disk === undefined) return 0;
  const sizes = new Map<number, number>();
  const seen = { descriptors: 0 };
  for (const pid of pids) {
    for (const descriptor of await namesIn(`/proc/${pid}/fd`)) {
      seen.descriptors += 1;
      if (seen.descriptors > descriptorsMax) return sum(sizes.values());
      const path = `/proc/${pid}/fd/${descriptor}`;
      if (!(await linkOf(path))?.endsWith(' (deleted)')) continue;
      const stats = await stat(path).catch(() => undefined);
      if (stats?.isFile() && stats.dev === disk.dev) sizes.set(stats.ino, stats.blocks * 512);
    }
  }
  return sum(sizes.values());
}

/** Every process in the pid namespace of this one; none where it is gone. */
export async function processesBeside(pid: number): Promise<string[]> {
  const pidNamespace = await linkOf(`/proc/${pid}/ns/pid`);
  if (pidNamespace === undefined) return [];
  const pids = (await namesIn('/proc')).filter((name) => /^\d+$/.test(name));
  const namespaces = await Promise.all(pids.map((pid) => linkOf(`/proc/${pid}/ns/pid`)));
  return pids.filter((_, index) => namespaces[index] === pidNamespace);
}

/** undefined where the process is gone or not ours to look at. */
function linkOf(path: string): Promise<string | undefined> {
  return readlink(path).catch(() => undefined);
}

function namesIn(path: string): Promise<string[]> {
  return readdir(path).catch(() => []);
}

function sum(numbers: Iterable<number>): number {
  return [...numbers].reduce((total, number) => total + number, 0);
}
