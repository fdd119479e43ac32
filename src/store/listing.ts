import { type Dirent, readdirSync, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isAbsent, unreadable } from './failures.ts';
import { isPiece, keyOfEntry, withoutMark } from './paths.ts';

/** The keys of all objects below a folder that stands for `key`. */
export async function keysBelow(folder: string, key: string): Promise<string[]> {
  const entries = await entriesOf(folder);
  const nested = await Promise.all(
    entries.map((entry) => {
      if (!entry.isDirectory()) return [keyOfEntry(key, entry.name)];
      const below = join(folder, entry.name);
      return isPiece(entry.name)
        ? namesInPieces(below, key, withoutMark(entry.name))
        : keysBelow(below, `${key}${entry.name}/`);
    }),
  );
  return nested.flat();
}

/** Of a folder whose list of names takes no more than this, some hundred names. */
const smallFolderBytes = 16 * 1024;

/** None of a folder that is gone meanwhile, or was never there. */
async function entriesOf(folder: string): Promise<Dirent[]> {
  try {
    return await readEntries(folder);
  } catch (error) {
    if (isAbsent(error)) return [];
    throw unreadable(folder, error);
  }
}

/** A small folder is read at once: that takes less than the way through the thread pool. */
async function readEntries(folder: string): Promise<Dirent[]> {
  const { size } = statSync(folder);
  return size <= smallFolderBytes
    ? readdirSync(folder, { withFileTypes: true })
    : readdir(folder, { withFileTypes: true });
}

async function namesInPieces(folder: string, key: string, begun: string): Promise<string[]> {
  const entries = await entriesOf(folder);
  const nested = await Promise.all(
    entries.map((entry) =>
      entry.isDirectory()
        ? namesInPieces(join(folder, entry.name), key, begun + withoutMark(entry.name))
        : [keyOfEntry(key, begun + entry.name)],
    ),
  );
  return nested.flat();
}
