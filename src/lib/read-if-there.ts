import { readFile } from 'node:fs/promises';
import { hasCode } from './has-code.ts';

/** The bytes of a file; undefined where there is none. Throws where it cannot be read. */
export async function bytesIfThere(path: string, signal?: AbortSignal): Promise<Buffer | undefined> {
  try {
    return await readFile(path, signal === undefined ? {} : { signal });
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** The same as text. */
export async function readIfThere(path: string): Promise<string | undefined> {
  return (await bytesIfThere(path))?.toString('utf8');
}
