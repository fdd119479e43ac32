import { lstatSync, opendirSync } from 'node:fs';
import type { CollectOptions } from '../../contracts/sandbox.ts';
import type { ListedFile } from './listing.ts';

/** Whether there is nothing below `output`. Looked at from outside: nobody may be left who could change it meanwhile. */
export function isOutputEmpty(workspace: string): boolean {
  try {
    return !lstatSync(`${workspace}/output`).isDirectory() || isEmpty(`${workspace}/output`);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Gone, or shut by the program against its own user.
    if (code === 'ENOENT' || code === 'EACCES') return true;
    throw error;
  }
}

function isEmpty(folder: string): boolean {
  const entries = opendirSync(folder);
  try {
    return entries.readSync() === null;
  } finally {
    entries.closeSync();
  }
}

/** Those of the listed files that are wanted; all where nobody chooses. */
export async function selected(
  files: readonly ListedFile[],
  select: CollectOptions['select'],
): Promise<readonly ListedFile[]> {
  if (select === undefined) return files;
  const paths = new Set(await select(files.map(({ path }) => path)));
  return files.filter(({ path }) => paths.has(path));
}
