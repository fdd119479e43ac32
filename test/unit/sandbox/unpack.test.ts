import { once } from 'node:events';
import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { pack } from 'tar-stream';
import { expect, test } from 'vitest';
import type { CollectedFile } from '../../../src/contracts/sandbox.ts';
import { unpack } from '../../../src/sandbox/shared/unpack.ts';

const chunkBytes = 64 * 1024;

/** Many small files and some that are larger than what the reader takes at once. */
async function tarOf(files: number): Promise<{ tar: Buffer; contentBytes: number }> {
  const packing = pack();
  const sizes = Array.from({ length: files }, (_, index) => (index % 10 === 0 ? 400_000 : 10));
  for (const [index, size] of sizes.entries()) packing.entry({ name: `output/${index}` }, Buffer.alloc(size, 'x'));
  packing.finalize();
  const chunks: Uint8Array[] = [];
  for await (const chunk of packing) if (chunk instanceof Uint8Array) chunks.push(chunk);
  return { tar: Buffer.concat(chunks), contentBytes: sizes.reduce((sum, size) => sum + size, 0) };
}

async function bytesOf({ content }: CollectedFile): Promise<number> {
  let bytes = 0;
  for await (const chunk of content) bytes += chunk.length;
  return bytes;
}

test('many files and much content come whole, held back again and again, and without a listener more each time', async () => {
  const warnings: string[] = [];
  const hear = ({ name }: Error) => warnings.push(name);
  process.on('warning', hear);
  const { tar, contentBytes } = await tarOf(300);
  const read = { bytes: 0 };
  const unpacking = await unpack({
    signal: new AbortController().signal,
    onFile: async (file) => {
      await turnOfTheLoop();
      read.bytes += await bytesOf(file);
    },
  });
  const held = { times: 0 };
  for (let at = 0; at < tar.length; at += chunkBytes) {
    const taken = unpacking.push(tar.subarray(at, at + chunkBytes));
    if (taken !== undefined) held.times += 1;
    await taken;
  }
  expect(await unpacking.end()).toBe(300);
  await turnOfTheLoop();
  process.off('warning', hear);
  expect(read.bytes).toBe(contentBytes);
  expect(held.times).toBeGreaterThan(100);
  expect(warnings).toEqual([]);
});

test('who waits for room is let go when the reader is given up', async () => {
  const stop = new AbortController();
  const { tar } = await tarOf(1);
  const unpacking = await unpack({
    signal: stop.signal,
    onFile: () => once(stop.signal, 'abort').then(() => undefined),
  });
  const waiting = unpacking.push(tar);
  expect(waiting).toBeInstanceOf(Promise);
  stop.abort();
  await waiting;
});

test('a file whose handing over is cut off by the signal fails: half of it is no file', async () => {
  const { tar } = await tarOf(1);
  const stop = new AbortController();
  const begun = Promise.withResolvers<void>();
  const heard = Promise.withResolvers<string>();
  const unpacking = await unpack({
    signal: stop.signal,
    onFile: async ({ content }) => {
      try {
        for await (const _ of content) begun.resolve();
        heard.resolve('whole');
      } catch (error) {
        heard.resolve(String(error));
        throw error;
      }
    },
  });
  unpacking.failed.catch(() => undefined);
  void unpacking.push(tar.subarray(0, 100_000));
  await begun.promise;
  stop.abort(new Error('too late'));
  expect(await heard.promise).toBe('Error: too late');
  await expect(unpacking.end()).rejects.toThrow('too late');
});
