import { createHash, randomUUID } from 'node:crypto';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { keys } from '../contracts/keys.ts';
import type { Store } from '../contracts/store.ts';
import { makeFolder } from '../lib/make-folder.ts';
import { checked, type Entry } from './entries.ts';
import { tarOf } from './tar.ts';

export interface Keeping {
  readonly store: Store;
  /** For what is being packed: its hash, which is its name, is known at the end only. */
  readonly spoolDir: string;
}

/**
 * Packs the entries into one tar without owner and time, and keeps it under the sha256 of that tar. What the owner has
 * kept already is not sent again; either way its age begins anew.
 */
export async function keepEntries(
  { store, spoolDir }: Keeping,
  entries: AsyncIterable<Entry>,
  owner: string,
): Promise<{ sha256: string; isNew: boolean }> {
  const spool = await openNameless(spoolDir);
  try {
    const sha256 = await packInto(spool, checked(entries));
    const key = keys.input(owner, sha256);
    const isThere = (await store.read(key, { offset: 0, length: 1 })) !== undefined;
    const isNew = !isThere && (await store.create(key, contentOf(spool))) === 'created';
    // Also what is there already: whoever has created it may not have come so far.
    await store.persist(key);
    await store.touch(key);
    return { sha256, isNew };
  } finally {
    await spool.close();
  }
}

// --- Internal helpers ---

/** Large enough that its way to another thread costs little, and that it packs as well as the whole would. */
const blockBytes = 1024 * 1024;
/** Fewer than the thread pool has threads: others want to read and write meanwhile. */
const framesAtOnce = 2;
const zstdLevel = 3;

/** A file without a name leaves nothing behind, however its owner ends. */
async function openNameless(dir: string): Promise<FileHandle> {
  makeFolder(dir, 0o700);
  const path = join(dir, randomUUID());
  const file = await open(path, 'wx+', 0o600);
  await unlink(path).catch(async (error: unknown) => {
    await file.close();
    throw error;
  });
  return file;
}

async function* contentOf(file: FileHandle): AsyncGenerator<Buffer> {
  for (let offset = 0; ; ) {
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(blockBytes), 0, blockBytes, offset);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
    offset += bytesRead;
  }
}

async function packInto(spool: FileHandle, entries: AsyncIterable<Entry>): Promise<string> {
  const hash = createHash('sha256');
  const hashed = async function* () {
    for await (const block of inBlocks(tarOf(entries))) {
      hash.update(block);
      yield block;
    }
  };
  await spool.writeFile(compressed(hashed()));
  return hash.digest('hex');
}

/** Each block is a zstd frame of its own, so that some are compressed while the next is read and hashed. */
async function* compressed(blocks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const { constants, zstdCompress } = await import('node:zlib');
  const compress = promisify(zstdCompress);
  const params = { [constants.ZSTD_c_compressionLevel]: zstdLevel };
  const underWay: Promise<Buffer>[] = [];
  for await (const block of blocks) {
    // Room for the whole frame: piece by piece it would go through the thread pool several times.
    const frame = compress(block, { params, chunkSize: blockBytes });
    // Whoever takes it is told; where nobody comes to that, the packing has failed already.
    frame.catch(() => undefined);
    underWay.push(frame);
    if (underWay.length > framesAtOnce) yield underWay.shift() as Promise<Buffer>;
  }
  yield* underWay;
}

async function* inBlocks(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let block = Buffer.allocUnsafeSlow(blockBytes);
  let filled = 0;
  for await (const chunk of chunks) {
    for (let taken = 0; taken < chunk.length; ) {
      const part = chunk.subarray(taken, taken + blockBytes - filled);
      block.set(part, filled);
      taken += part.length;
      filled += part.length;
      if (filled < blockBytes) continue;
      yield block;
      block = Buffer.allocUnsafeSlow(blockBytes);
      filled = 0;
    }
  }
  yield block.subarray(0, filled);
}
