import { expect, test } from 'vitest';
import { blocksOf } from '../../../src/store/gcs/blocks.ts';

const ofChunks = async function* (sizes: readonly number[]) {
  for (const size of sizes) yield Buffer.alloc(size, size);
};

async function cut(data: Parameters<typeof blocksOf>[0]) {
  const blocks = [];
  for await (const { bytes, offset, isLast } of blocksOf(data, 4)) blocks.push([offset, bytes.length, isLast]);
  return blocks;
}

test('an object of one block is the last one, and an empty one is one empty block', async () => {
  expect(await cut('')).toEqual([[0, 0, true]]);
  expect(await cut(ofChunks([]))).toEqual([[0, 0, true]]);
  expect(await cut(ofChunks([1, 0, 2]))).toEqual([[0, 3, true]]);
  expect(await cut(Buffer.alloc(4))).toEqual([[0, 4, true]]);
});

test('a longer one is cut into whole blocks and a last one that is not empty', async () => {
  expect(await cut(ofChunks([4, 4]))).toEqual([
    [0, 4, false],
    [4, 4, true],
  ]);
  expect(await cut(ofChunks([3, 3, 0]))).toEqual([
    [0, 4, false],
    [4, 2, true],
  ]);
  expect(await cut('123456789')).toEqual([
    [0, 4, false],
    [4, 4, false],
    [8, 1, true],
  ]);
});

test('the bytes are those that came, in their order', async () => {
  const whole = Buffer.from(Array.from({ length: 25 }, (_, n) => n));
  const pieces = async function* () {
    for (const [from, to] of [
      [0, 1],
      [1, 12],
      [12, 14],
      [14, 25],
    ])
      yield whole.subarray(from, to);
  };
  const got: Uint8Array[] = [];
  for await (const { bytes } of blocksOf(pieces(), 4)) got.push(Buffer.from(bytes));
  expect(Buffer.concat(got)).toEqual(whole);
});
