import { chown, constants, mkdir, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { RunyardError } from '../../contracts/errors.ts';
import type { PlacedFile } from '../../contracts/sandbox.ts';
import type { Slot } from './slot.ts';

/** Writes the files into a workspace that nothing untrusted has touched yet, and gives them to its user. */
export async function placeFiles(slot: Slot, files: readonly PlacedFile[]): Promise<void> {
  const made = new Set(['.', 'output']);
  for (const file of files) {
    const path = join(file.path);
    if (path.startsWith('/') || path === '..' || path.startsWith('../') || path.includes('\0')) {
      throw new RunyardError('invalid_request', 'A file lies outside of the workspace.');
    }
    await makeFolders(slot, dirname(path), made);
    await writeFile(slot, path, file);
  }
}

async function makeFolders(slot: Slot, path: string, made: Set<string>): Promise<void> {
  if (made.has(path)) return;
  await makeFolders(slot, dirname(path), made);
  const folder = `${slot.workspace}/${path}`;
  await mkdir(folder, { recursive: true, mode: 0o755 });
  if (slot.identity.switchTo !== undefined) await chown(folder, slot.identity.switchTo.uid, slot.identity.switchTo.gid);
  made.add(path);
}

async function writeFile(slot: Slot, path: string, { content, mode = 0o644 }: PlacedFile): Promise<void> {
  const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants;
  const file = await open(`${slot.workspace}/${path}`, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600);
  try {
    await file.writeFile(content);
    if (slot.identity.switchTo !== undefined) await file.chown(slot.identity.switchTo.uid, slot.identity.switchTo.gid);
    // The caller's bits without setuid, setgid and sticky: the file lies on the host's disk.
    await file.chmod(mode & 0o777);
  } finally {
    await file.close();
  }
}
