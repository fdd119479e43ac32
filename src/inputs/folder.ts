import { closeSync, createReadStream, openSync, readSync } from 'node:fs';
import { lstat, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { singleFileEntry } from '../contracts/inputs.ts';
import { type Entry, refusal } from './entries.ts';

/** A file or a folder of this machine, in the order of the names' bytes, so that the same tree gives the same entries. */
export async function* entriesOfFolder(root: string): AsyncGenerator<Entry> {
  const stat = await lstat(root);
  if (stat.isFile()) yield fileEntry(root, singleFileEntry, stat);
  else yield* entriesBelow(root, '');
}

// --- Internal helpers ---

type Stat = Awaited<ReturnType<typeof lstat>>;

async function* entriesBelow(root: string, folder: string): AsyncGenerator<Entry> {
  const names = await readdir(join(root, folder));
  names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  for (const name of names) {
    const path = folder === '' ? name : `${folder}/${name}`;
    const stat = await lstat(join(root, path));
    if (stat.isDirectory()) {
      yield { path, type: 'directory', executable: true, sizeBytes: 0 };
      yield* entriesBelow(root, path);
    } else if (stat.isFile()) yield fileEntry(join(root, path), path, stat);
    else if (stat.isSymbolicLink()) {
      yield { path, type: 'symlink', executable: false, sizeBytes: 0, target: await readlink(join(root, path)) };
    } else throw refusal(path, 'is neither a file, a folder nor a link');
  }
}

function fileEntry(place: string, path: string, { mode, size }: Stat): Entry {
  const sizeBytes = Number(size);
  return {
    path,
    type: 'file',
    executable: (Number(mode) & 0o111) !== 0,
    sizeBytes,
    content: bytesOf(place, path, sizeBytes),
  };
}

const blockBytes = 256 * 1024;

/** A file that changes while it is read is none of those that were asked for. */
async function* bytesOf(place: string, path: string, sizeBytes: number): AsyncGenerator<Buffer> {
  const chunks = sizeBytes < blockBytes ? readAtOnce(place) : createReadStream(place, { highWaterMark: blockBytes });
  let read = 0;
  for await (const chunk of chunks) {
    read += chunk.length;
    if (read > sizeBytes) break;
    yield chunk;
  }
  if (read !== sizeBytes) throw refusal(path, 'changed while it was read');
}

/** Of a small file at most what makes it a large one: a stream costs more than its content. */
function* readAtOnce(place: string): Generator<Buffer> {
  const fd = openSync(place, 'r');
  try {
    const buffer = Buffer.allocUnsafe(blockBytes);
    yield buffer.subarray(0, readSync(fd, buffer));
  } finally {
    closeSync(fd);
  }
}
