import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  read,
  readlinkSync,
  readSync,
  type Stats,
} from 'node:fs';
import { readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { singleFileEntry } from '../contracts/inputs.ts';
import { hasCode } from '../lib/has-code.ts';
import { type Entry, refusal } from './entries.ts';

/** A file or a folder of this machine by its real path, in the order of the names' bytes, so that the same tree gives the same entries. */
export async function* entriesOfFolder(root: string): AsyncGenerator<Entry> {
  const stat = lstatSync(root);
  const block = Buffer.allocUnsafeSlow(blockBytes);
  if (stat.isFile()) yield fileEntry(root, singleFileEntry, stat, block);
  else yield* entriesBelow(root, '', block);
}

// --- Internal helpers ---

async function* entriesBelow(root: string, folder: string, block: Buffer): AsyncGenerator<Entry> {
  const names = await readdir(join(root, folder)).catch((error) => refuseChanged(folder, error));
  names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  for (const name of names) {
    const path = folder === '' ? name : `${folder}/${name}`;
    const stat = seen(join(root, path), path);
    if (stat.isDirectory()) {
      yield { path, type: 'directory', executable: true, sizeBytes: 0 };
      yield* entriesBelow(root, path, block);
    } else if (stat.isFile()) yield fileEntry(join(root, path), path, stat, block);
    else if (stat.isSymbolicLink()) {
      const target = await readlink(join(root, path)).catch((error) => refuseChanged(path, error));
      yield { path, type: 'symlink', executable: false, sizeBytes: 0, target };
    } else throw refusal(path, 'is neither a file, a folder nor a link');
  }
}

function seen(place: string, path: string): Stats {
  try {
    return lstatSync(place);
  } catch (error) {
    return refuseChanged(path, error);
  }
}

/** The kernel's word for what is no longer as it was listed, or not ours to read, in our words. */
function refuseChanged(path: string, error: unknown): never {
  if (['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO', 'EINVAL'].some((code) => hasCode(error, code))) {
    throw refusal(path, 'changed while it was read');
  }
  if (hasCode(error, 'EACCES') || hasCode(error, 'EPERM')) throw refusal(path, 'cannot be read by Runyard');
  throw error;
}

function fileEntry(place: string, path: string, stat: Stats, block: Buffer): Entry {
  return {
    path,
    type: 'file',
    executable: (stat.mode & 0o111) !== 0,
    sizeBytes: stat.size,
    content: bytesOf(place, path, stat, block),
  };
}

/** The very file that was listed: whoever may write the folder could have put a link or a FIFO in its place since. */
function openListed(place: string, path: string, { dev, ino }: Stats): number {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  const fd = opened(place, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  const now = fstatSync(fd);
  if (now.isFile() && now.dev === dev && now.ino === ino && [place, undefined].includes(placeOf(fd))) return fd;
  closeSync(fd);
  throw refusal(path, 'changed while it was read');
}

function opened(place: string, path: string, flags: number): number {
  try {
    return openSync(place, flags);
  } catch (error) {
    return refuseChanged(path, error);
  }
}

/** Where the kernel says that it lies, which is elsewhere if a folder on the way is a link by now; Linux alone says so. */
function placeOf(fd: number): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

const blockBytes = 1024 * 1024;
/** A way through the thread pool costs more than so much of a file. */
const smallBytes = 256 * 1024;
const readInBackground = promisify(read);

/** A file that changes while it is read is none of those that were asked for. */
async function* bytesOf(place: string, path: string, stat: Stats, block: Buffer): AsyncGenerator<Buffer> {
  const fd = openListed(place, path, stat);
  try {
    let left = stat.size;
    while (left > 0) {
      const length = Math.min(left, block.length);
      const bytesRead =
        length <= smallBytes
          ? readSync(fd, block, 0, length, null)
          : (await readInBackground(fd, block, 0, length, null)).bytesRead;
      if (bytesRead === 0) break;
      left -= bytesRead;
      yield block.subarray(0, bytesRead);
    }
    if (left > 0 || fstatSync(fd).size !== stat.size) throw refusal(path, 'changed while it was read');
  } finally {
    closeSync(fd);
  }
}
