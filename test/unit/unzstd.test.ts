import { createZstdDecompress, zstdCompressSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { unzstd } from '../../src/lib/unzstd.ts';

const parts = [100_000, 3, 0, 200_000].map((length, index) => Buffer.alloc(length, String(index)));
const frames = Buffer.concat(parts.map((part) => zstdCompressSync(part)));

async function* inChunks(bytes: Buffer, length: number) {
  for (let offset = 0; offset < bytes.length; offset += length) yield bytes.subarray(offset, offset + length);
}

async function unpacked(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of unzstd(source, createZstdDecompress)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

test.for([1, 7, 1000, frames.length])('all frames are read, in chunks of %i', async (length) => {
  expect((await unpacked(inChunks(frames, length))).equals(Buffer.concat(parts))).toBe(true);
});

test('nothing gives nothing', async () => {
  expect(await unpacked(inChunks(Buffer.alloc(0), 1))).toHaveLength(0);
});

test.for([
  ['breaks off', frames.subarray(0, -3), 'Z_BUF_ERROR'],
  ['goes on with something else', Buffer.concat([frames, Buffer.from('something else')]), 'ZSTD_error_prefix_unknown'],
] as const)('what %s is an error', async ([, bytes, code]) => {
  await expect(unpacked(inChunks(bytes, bytes.length))).rejects.toMatchObject({ code });
});

test('the error of the source is the error', async () => {
  const broken = (async function* () {
    yield frames.subarray(0, 10);
    throw new Error('the source broke');
  })();
  await expect(unpacked(broken)).rejects.toThrow('the source broke');
});

test('a source that nobody reads any more is told', async () => {
  let isEnded = false;
  const endless = (async function* () {
    try {
      while (true) yield frames;
    } finally {
      isEnded = true;
    }
  })();
  for await (const _ of unzstd(endless, createZstdDecompress)) break;
  expect(isEnded).toBe(true);
});

test('a bomb is unpacked no further than it is read', async () => {
  const bomb = zstdCompressSync(Buffer.alloc(256 * 1024 * 1024));
  const before = process.memoryUsage().arrayBuffers;
  for await (const _ of unzstd(inChunks(bomb, bomb.length), createZstdDecompress)) break;
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 1024 * 1024);
});
