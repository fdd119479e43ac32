export interface Preamble {
  /** What follows the preamble in this chunk; undefined while it has not come. */
  push(chunk: Buffer): Buffer | undefined;
}

/** The first thing the program inside writes: what stands before it is somebody else's. */
export const preamble = Buffer.from('\n--- runyard 1 ---\n');
const strangeBytesMax = 64 * 1024;

/** Passes over what a launcher may print before the program inside has begun. Throws where it never begins. */
export function createPreamble(): Preamble {
  const state = { seen: Buffer.alloc(0) };
  return {
    push: (chunk) => {
      state.seen = Buffer.concat([state.seen, chunk]);
      const at = state.seen.indexOf(preamble);
      if (at !== -1) return state.seen.subarray(at + preamble.length);
      if (state.seen.length > strangeBytesMax) throw new Error('something else writes where frames should come');
      return undefined;
    },
  };
}
