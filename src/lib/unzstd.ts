import type { ZstdDecompress } from 'node:zlib';

/**
 * What is in any number of zstd frames, which Node's own stream leaves after the first one that ends within a chunk.
 * The text of this function also runs inside a wall, so it names nothing but what it is given.
 */
export async function* unzstd(
  source: AsyncIterable<Uint8Array>,
  createZstdDecompress: () => ZstdDecompress,
): AsyncGenerator<Buffer> {
  const chunks = source[Symbol.asyncIterator]();

  const nextChunk = async (): Promise<Uint8Array | undefined> => {
    const { done, value } = await chunks.next();
    return done === true ? undefined : value;
  };

  /** Resolves with what comes after the frame's end, where anything does. */
  const feed = async (frame: ZstdDecompress, first: Uint8Array): Promise<Uint8Array | undefined> => {
    let given = 0;
    for (let chunk: Uint8Array | undefined = first; chunk !== undefined; chunk = await nextChunk()) {
      given += chunk.length;
      await new Promise<void>((resolve, reject) => {
        frame.write(chunk, (error) => (error ? reject(error) : resolve()));
      });
      if (frame.bytesWritten < given) return chunk.subarray(frame.bytesWritten - given);
    }
    frame.end();
    return undefined;
  };

  try {
    for (let rest = await nextChunk(); rest !== undefined; ) {
      const frame = createZstdDecompress();
      const fed = feed(frame, rest);
      // Whoever reads the frame is told of its error.
      fed.catch((error: unknown) => frame.destroy(error as Error));
      yield* frame;
      rest = await fed;
    }
  } finally {
    await chunks.return?.();
  }
}
