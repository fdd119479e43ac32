import { closeSync, openSync, readSync } from 'node:fs';

const pieceBytes = 4096;

/**
 * A file below `/proc` or of a cgroup as text. Read at once: it is the kernel's memory, and the thread pool costs more than the work.
 * Those files do not tell their size, and `readFileSync` takes 64 KiB of memory for each.
 */
export function readProc(path: string): string {
  const fd = openSync(path, 'r');
  try {
    const pieces: Buffer[] = [];
    for (;;) {
      const piece = Buffer.allocUnsafe(pieceBytes);
      const bytesRead = readSync(fd, piece);
      if (bytesRead === 0) return Buffer.concat(pieces).toString('utf8');
      pieces.push(piece.subarray(0, bytesRead));
    }
  } finally {
    closeSync(fd);
  }
}
