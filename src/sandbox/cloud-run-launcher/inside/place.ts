import { closeSync, constants, fchmodSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Order } from '../protocol/words.ts';

/** Writes a file below the workspace, or a further piece of it; never through a link. */
export function placeFile(
  workspace: string,
  { path, mode, content, append }: Extract<Order, { order: 'place' }>,
): void {
  const { O_WRONLY, O_CREAT, O_TRUNC, O_APPEND, O_NOFOLLOW } = constants;
  const full = join(workspace, path);
  mkdirSync(dirname(full), { recursive: true, mode: 0o755 });
  const file = openSync(full, O_WRONLY | O_CREAT | O_NOFOLLOW | (append ? O_APPEND : O_TRUNC), 0o600);
  try {
    writeFileSync(file, Buffer.from(content, 'base64'));
    // The caller's bits without setuid, setgid and sticky: the file lies on the instance's disk.
    fchmodSync(file, mode & 0o777);
  } finally {
    closeSync(file);
  }
}
