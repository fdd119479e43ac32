import { closeSync, fstatSync, lstatSync, openSync, read, readSync, type Stats } from 'node:fs';
import { readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { singleFileEntry } from '../contracts/inputs.ts';
import { type Entry, refusal } from './entries.ts';

/** A file or a folder of this machine, in the order of the names' bytes, so that the same tree gives the same entries. */
export async function* entriesOfFolder(root: string): AsyncGenerator<Entry> {
  const stat = lstatSync(root);
  const block = Buffer.allocUnsafeSlow(blockBytes);
  if (stat.isFile()) yield fileEntry(root, singleFileEntry, stat, block);
  else yield* entriesBelow(root, '', block);
}

// --- Internal helpers ---

async function* entriesBelow(root: string, folder: string, block: Buffer): AsyncGenerator<Entry> {
  const names = await readdir(join(root, folder));
  names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  for (const name of names) {
    const path = folder === '' ? name : `${folder}/${name}`;
    const stat = lstatSync(join(root, path));
    if (stat.isDirectory()) {
      yield { path, type: 'directory', executable: true, sizeBytes: 0 };
      yield* entriesBelow(root, path, block);
    } else if (stat.isFile()) yield fileEntry(join(root, path), path, stat, block);
    else if (stat.isSymbolicLink()) {
      yield { path, type: 'symlink', executable: false, sizeBytes: 0, target: await readlink(join(root, path)) };
    } else throw refusal(path, 'is neither a file, a folder nor a link');
  }
}

function fileEntry(place: string, path: string, { mode, size: sizeBytes }: Stats, block: Buffer): Entry {
  return {
    path,
    type: 'file',
    executable: (mode & 0o111) !== 0,
    sizeBytes,
    content: bytesOf(place, path, sizeBytes, block),
  };
}

const blockBytes = 1024 * 1024;
/** A way through the thread pool costs more than so much of a file. */
const smallBytes = 256 * 1024;
const readInBackground = promisify(read);

/** A file that changes while it is read is none of those that were asked for. */
async function* bytesOf(place: string, path: string, sizeBytes: number, block: Buffer): AsyncGenerator<Buffer> {
  const fd = openSync(place, 'r');
  try {
    let left = sizeBytes;
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
    if (left > 0 || fstatSync(fd).size !== sizeBytes) throw refusal(path, 'changed while it was read');
  } finally {
    closeSync(fd);
  }
}
