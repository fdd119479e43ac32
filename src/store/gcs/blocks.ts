/** A part of an object's bytes, in order. */
export interface Block {
  readonly bytes: Uint8Array;
  /** Of its first byte in the object. */
  readonly offset: number;
  readonly isLast: boolean;
}

/**
 * Cuts what comes into blocks of `blockBytes`; only the last is smaller, and it is empty only where nothing came. A
 * block is given when what follows it has begun to come, or will not.
 */
export async function* blocksOf(
  data: Uint8Array | string | AsyncIterable<Uint8Array>,
  blockBytes: number,
): AsyncGenerator<Block, void> {
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  let offset = 0;
  const take = (isLast: boolean): Block => {
    const block = { bytes: held.length === 1 ? held[0]! : Buffer.concat(held), offset, isLast };
    offset += heldBytes;
    held = [];
    heldBytes = 0;
    return block;
  };
  for await (let chunk of chunksOf(data)) {
    while (heldBytes + chunk.length > blockBytes) {
      const room = blockBytes - heldBytes;
      held.push(chunk.subarray(0, room));
      heldBytes += room;
      chunk = chunk.subarray(room);
      yield take(false);
    }
    if (chunk.length === 0) continue;
    held.push(chunk);
    heldBytes += chunk.length;
  }
  yield take(true);
}

function chunksOf(data: Uint8Array | string | AsyncIterable<Uint8Array>) {
  if (typeof data === 'string') return [Buffer.from(data)];
  return data instanceof Uint8Array ? [data] : data;
}
