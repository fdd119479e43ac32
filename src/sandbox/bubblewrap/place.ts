import { chownSync, closeSync, constants, fchmodSync, fchownSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { RunyardError } from '../../contracts/errors.ts';
import type { PlacedFile } from '../../contracts/sandbox.ts';
import type { Slot } from './slot.ts';

/** Files written before the loop has its turn: each takes a fraction of a millisecond. */
const filesPerTurn = 8;

/**
 * Writes the files into a workspace that nothing untrusted has touched yet, and gives them to its user. Written at
 * once and not through the thread pool: the program waits for its one file, and five hops take longer than the work.
 */
export async function placeFiles(slot: Slot, files: readonly PlacedFile[]): Promise<void> {
  const made = new Set(['.', 'output']);
  for (const [index, file] of files.entries()) {
    const path = join(file.path);
    if (path.startsWith('/') || path === '..' || path.startsWith('../') || path.includes('\0')) {
      throw new RunyardError('invalid_request', 'A file lies outside of the workspace.');
    }
    makeFolders(slot, dirname(path), made);
    writeFile(slot, path, file);
    if (index % filesPerTurn === filesPerTurn - 1) await turnOfTheLoop();
  }
}

function makeFolders(slot: Slot, path: string, made: Set<string>): void {
  if (made.has(path)) return;
  makeFolders(slot, dirname(path), made);
  const folder = `${slot.workspace}/${path}`;
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const { switchTo } = slot.identity;
  if (switchTo !== undefined) chownSync(folder, switchTo.uid, switchTo.gid);
  made.add(path);
}

function writeFile(slot: Slot, path: string, { content, mode = 0o644 }: PlacedFile): void {
  const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants;
  const { switchTo } = slot.identity;
  const file = openSync(`${slot.workspace}/${path}`, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600);
  try {
    writeFileSync(file, content);
    if (switchTo !== undefined) fchownSync(file, switchTo.uid, switchTo.gid);
    // The caller's bits without setuid, setgid and sticky: the file lies on the host's disk.
    fchmodSync(file, mode & 0o777);
  } finally {
    closeSync(file);
  }
}
