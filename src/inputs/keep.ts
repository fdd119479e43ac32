import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Pack } from 'tar-stream';
import { keys } from '../contracts/keys.ts';
import type { Store } from '../contracts/store.ts';
import { makeFolder } from '../lib/make-folder.ts';
import { checked, type Entry } from './entries.ts';

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
  makeFolder(spoolDir, 0o700);
  const spool = join(spoolDir, randomUUID());
  try {
    const sha256 = await packInto(spool, checked(entries));
    const key = keys.input(owner, sha256);
    const isThere = (await store.read(key, { offset: 0, length: 1 })) !== undefined;
    const isNew =
      !isThere && (await store.create(key, createReadStream(spool, { highWaterMark: blockBytes }))) === 'created';
    if (isNew) await store.persist(key);
    await store.touch(key);
    return { sha256, isNew };
  } finally {
    await rm(spool, { force: true });
  }
}

// --- Internal helpers ---

const blockBytes = 1024 * 1024;
const zstdLevel = 3;

async function packInto(file: string, entries: AsyncIterable<Entry>): Promise<string> {
  const [{ pack }, { constants, createZstdCompress }] = await Promise.all([import('tar-stream'), import('node:zlib')]);
  const tar = pack();
  const hash = createHash('sha256');
  const filling = fill(tar, entries).catch((error: unknown) => {
    tar.destroy(error instanceof Error ? error : new Error('the inputs cannot be packed', { cause: error }));
    throw error;
  });
  const zstd = createZstdCompress({
    params: { [constants.ZSTD_c_compressionLevel]: zstdLevel },
    chunkSize: blockBytes,
  });
  const hashed = async function* (source: AsyncIterable<Buffer>) {
    for await (const chunk of source) {
      hash.update(chunk);
      yield chunk;
    }
  };
  const written = pipeline(Readable.from(tar), hashed, zstd, createWriteStream(file, { mode: 0o600 }));
  // The reason why it cannot be filled says more than that the pipeline broke.
  written.catch(() => undefined);
  await filling;
  await written;
  return hash.digest('hex');
}

async function fill(tar: Pack, entries: AsyncIterable<Entry>): Promise<void> {
  const stopped = new Promise<never>((_, reject) => {
    tar.once('error', reject);
    tar.once('close', () => reject(new Error('nobody takes the inputs any more')));
  });
  stopped.catch(() => undefined);
  for await (const entry of entries) await Promise.race([add(tar, entry), stopped]);
  tar.finalize();
}

function add(tar: Pack, { path, type, executable, sizeBytes, target, content }: Entry): Promise<void> {
  const header = {
    ...{ name: path, type, mode: executable ? 0o755 : 0o644, size: sizeBytes },
    ...{ uid: 0, gid: 0, uname: '', gname: '', mtime: new Date(0) },
    ...(target === undefined ? {} : { linkname: target }),
  };
  return new Promise((resolve, reject) => {
    const done = (error?: Error | null) => (error ? reject(error) : resolve());
    if (type !== 'file') return void tar.entry({ ...header, size: 0 }, done);
    const sink = tar.entry(header, done);
    pipeline(Readable.from(content ?? []), sink).catch(reject);
  });
}
