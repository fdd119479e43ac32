/** Makes the thing at the first call and hands out the same one ever after. What throws is made anew next time. */
export function once<T>(make: () => T): () => T {
  const made: T[] = [];
  return () => {
    if (made.length === 0) made.push(make());
    return made[0]!;
  };
}
