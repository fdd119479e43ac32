import { join } from 'node:path';

/**
 * Where an object lies on disk. A task is one folder: the slashes of a key below it are written into the file's name,
 * because inodes cost more than bytes. Names longer than a file system takes are cut into nested folders.
 */

/** No file system in use takes more than 255 bytes a name. */
const pieceChars = 200;

/** Ends the name of a folder that holds the rest of a name; `encodeURIComponent` never leaves one. */
const continues = '+';

/** The part of a key that is folders as written; what follows it is one encoded name. */
function folderSegments(key: string): number {
  return key.startsWith('tasks/') ? 2 : Number.POSITIVE_INFINITY;
}

/** The object's folder and file name below the root. */
export function pathOfKey(root: string, key: string): { folder: string; path: string } {
  const segments = key.split('/');
  const folders = Math.min(folderSegments(key), segments.length - 1);
  const name = encodeURIComponent(segments.slice(folders).join('/'));
  const pieces = name.match(new RegExp(`.{1,${pieceChars}}`, 'g')) ?? [name];
  const folder = join(root, ...segments.slice(0, folders), ...pieces.slice(0, -1).map((piece) => piece + continues));
  return { folder, path: join(folder, pieces.at(-1)!) };
}

/** The folder to walk for a prefix that ends in `/`, and the key it stands for. */
export function folderOfPrefix(root: string, prefix: string): { folder: string; key: string } {
  const segments = prefix.split('/').slice(0, -1);
  const folders = segments.slice(0, Math.min(folderSegments(prefix), segments.length));
  return { folder: join(root, ...folders), key: `${folders.join('/')}/` };
}

/** The key below `key` that an entry of its folder stands for. */
export function keyOfEntry(key: string, entry: string): string {
  return key + decodeURIComponent(entry);
}

/** Whether a folder's name is the beginning of a longer name. */
export function isPiece(entry: string): boolean {
  return entry.endsWith(continues);
}

export function withoutMark(entry: string): string {
  return entry.slice(0, -continues.length);
}
