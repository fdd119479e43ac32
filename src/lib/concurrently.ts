/**
 * The work of every item, at most `limit` at a time, begun in order; the answers stand in the items' order. Rejects with
 * the first failure, and begins nothing more after it.
 */
export async function concurrently<T, R>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const answers = new Array<R>(items.length);
  const left = items.entries();
  let failed = false;
  const workNext = async () => {
    for (const [index, item] of left) {
      if (failed) return;
      answers[index] = await work(item);
    }
  };
  const workers = Array.from({ length: Math.min(limit, items.length) }, () =>
    workNext().catch((error: unknown) => {
      failed = true;
      throw error;
    }),
  );
  await Promise.all(workers);
  return answers;
}
