import { once } from 'node:events';
import type { Pack } from 'tar-stream';
import type { Entry } from './entries.ts';

/** The bytes of one tar without owner and time. A chunk holds until the next one is asked for. */
export async function* tarOf(entries: AsyncIterable<Entry>): AsyncGenerator<Uint8Array> {
  const { pack } = await import('tar-stream');
  for await (const entry of entries) {
    yield* headerOf(pack(), entry);
    if (entry.content !== undefined) yield* entry.content;
    yield Buffer.alloc(-entry.sizeBytes & (blockBytes - 1));
  }
  yield Buffer.alloc(2 * blockBytes);
}

// --- Internal helpers ---

const blockBytes = 512;

/** The packer makes headers only: the way of the content through its streams costs more than all the rest. */
async function* headerOf(
  packer: Pack,
  { path, type, executable, sizeBytes, target }: Entry,
): AsyncGenerator<Uint8Array> {
  packer.entry({
    ...{ name: path, type, mode: executable ? 0o755 : 0o644, size: sizeBytes },
    ...{ uid: 0, gid: 0, uname: '', gname: '', mtime: new Date(0) },
    ...(target === undefined ? {} : { linkname: target }),
  });
  await once(packer, 'readable');
  for (let part: unknown = packer.read(); part instanceof Uint8Array; part = packer.read()) yield part;
}
