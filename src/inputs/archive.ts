import { Readable } from 'node:stream';
import { RunyardError } from '../contracts/errors.ts';
import { tarBytesMax } from '../contracts/inputs.ts';
import { unzstd } from '../lib/unzstd.ts';
import { asBrokenArchive } from './broken.ts';
import type { Entry } from './entries.ts';
import { refusal } from './entries.ts';

/**
 * The entries of a tar, also compressed with gzip or zstd, as they come. Throws `invalid_request` where it is broken, or
 * goes on beyond `bytesMax` unpacked, whatever of that is entries.
 */
export async function* entriesOfArchive(
  archive: AsyncIterable<Uint8Array>,
  bytesMax: number = tarBytesMax,
): AsyncGenerator<Entry> {
  const { extract } = await import('tar-stream');
  const reader = extract();
  const source = Readable.from(upTo(bytesMax, await plainTar(archive)));
  source.on('error', (error) => reader.destroy(error));
  source.pipe(reader);
  try {
    for await (const entry of reader) {
      const { name, size = 0, type, mode = 0o644, linkname } = entry.header;
      const path = name.replace(/^(\.\/)+/, '').replace(/\/+$/, '');
      const executable = (mode & 0o111) !== 0;
      if (type === 'directory') {
        if (path !== '' && path !== '.') yield { path, type, executable: true, sizeBytes: 0 };
      } else if (type === 'file' || type === 'contiguous-file') {
        yield { path, type: 'file', executable, sizeBytes: size, content: bytesOf(entry) };
      } else if (type === 'symlink') {
        yield { path, type, executable: false, sizeBytes: 0, target: linkname ?? '' };
      } else throw refusal(path, `is a ${type}, which is neither file, folder nor symbolic link`);
      entry.resume();
    }
  } catch (error) {
    throw asBrokenArchive(error);
  } finally {
    source.destroy();
    reader.destroy();
  }
}

// --- Internal helpers ---

async function* bytesOf(entry: AsyncIterable<unknown>): AsyncGenerator<Uint8Array> {
  for await (const chunk of entry) if (chunk instanceof Uint8Array) yield chunk;
}

async function* upTo(bytesMax: number, tar: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of tar) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new RunyardError('invalid_request', 'It unpacks to more than 4 GiB.');
    yield chunk;
  }
}

const gzipMagic = Buffer.from([0x1f, 0x8b]);
const zstdMagic = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);

/** What is compressed says so in its first bytes. */
async function plainTar(archive: AsyncIterable<Uint8Array>): Promise<AsyncIterable<Uint8Array>> {
  const iterator = archive[Symbol.asyncIterator]();
  let head = Buffer.alloc(0);
  while (head.length < zstdMagic.length) {
    const { done, value } = await iterator.next();
    if (done === true) break;
    head = Buffer.concat([head, value]);
  }
  const whole = (async function* () {
    yield head;
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value;
  })();
  const { createGunzip, createZstdDecompress } = await import('node:zlib');
  if (head.subarray(0, 4).equals(zstdMagic)) return unzstd(whole, createZstdDecompress);
  if (!head.subarray(0, 2).equals(gzipMagic)) return whole;
  const source = Readable.from(whole);
  const gunzip = createGunzip();
  source.on('error', (error) => gunzip.destroy(error));
  return source.pipe(gunzip);
}
