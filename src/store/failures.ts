import { RunyardError } from '../contracts/errors.ts';
import { hasCode } from '../lib/has-code.ts';

/** What a file system refuses, in our words. */

/** ENOTDIR and ENAMETOOLONG: no object can be there. */
export function isAbsent(error: unknown): boolean {
  return hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR') || hasCode(error, 'ENAMETOOLONG');
}

function reasonOf(error: unknown): string {
  if (hasCode(error, 'ENOSPC')) return 'the disk is full';
  if (hasCode(error, 'EROFS')) return 'the file system is read-only';
  if (hasCode(error, 'EACCES') || hasCode(error, 'EPERM')) return 'permission denied';
  return error instanceof Error ? error.message : String(error);
}

export function unreadable(path: string, error: unknown): RunyardError {
  return new RunyardError('backend_error', `The store cannot be read at ${path}: ${reasonOf(error)}.`, {
    cause: error,
  });
}

export function asUnwritable(dir: string, error: unknown): RunyardError {
  if (error instanceof RunyardError) return error;
  return new RunyardError('backend_error', `The store at ${dir} cannot be written: ${reasonOf(error)}.`, {
    hint: 'Make room or mend the permissions there, then call again.',
    cause: error,
  });
}

export function orUnwritable<T>(dir: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw asUnwritable(dir, error);
  }
}
