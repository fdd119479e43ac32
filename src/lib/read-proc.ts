import { open } from 'node:fs/promises';

const pieceBytes = 4096;

/**
 * A file below `/proc` as text. Those do not tell their size, and `readFile` takes 64 KiB of memory for each: a look at
 * every process of a machine would cost more memory than all of the runner.
 */
export async function readProc(path: string): Promise<string> {
  const file = await open(path);
  try {
    const pieces: Buffer[] = [];
    for (;;) {
      const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(pieceBytes));
      if (bytesRead === 0) return Buffer.concat(pieces).toString('utf8');
      pieces.push(buffer.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
}
