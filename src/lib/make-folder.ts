import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { hasCode } from './has-code.ts';

/**
 * Makes the folder and those above it that are missing, with this mode (less the umask). Tells whether it was missing.
 * Throws the kernel's own error. Node's recursive mkdir tries again for ever where the kernel says that the folder
 * above, which is there, is not, as it does below `/proc`.
 */
export function makeFolder(path: string, mode: number): boolean {
  const above = dirname(path);
  try {
    return make(path, mode);
  } catch (error) {
    if (!hasCode(error, 'ENOENT') || above === path) throw error;
  }
  makeFolder(above, mode);
  return make(path, mode);
}

function make(path: string, mode: number): boolean {
  try {
    mkdirSync(path, { mode });
    return true;
  } catch (error) {
    const isThere = hasCode(error, 'EEXIST') && statSync(path).isDirectory();
    if (isThere) return false;
    throw error;
  }
}
