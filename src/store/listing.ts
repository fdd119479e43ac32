import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isAbsent, unreadable } from './failures.ts';
import { isPiece, keyOfEntry, withoutMark } from './paths.ts';

/** The keys of all objects below a folder that stands for `key`. */
export async function keysBelow(folder: string, key: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    if (isAbsent(error)) return [];
    throw unreadable(folder, error);
  });
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

async function namesInPieces(folder: string, key: string, begun: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const nested = await Promise.all(
    entries.map((entry) =>
      entry.isDirectory()
        ? namesInPieces(join(folder, entry.name), key, begun + withoutMark(entry.name))
        : [keyOfEntry(key, begun + entry.name)],
    ),
  );
  return nested.flat();
}
