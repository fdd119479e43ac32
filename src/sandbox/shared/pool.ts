/** Things made ahead of need, each used once. */
export interface Pool<T> {
  /** One that was made ahead, or a new one. Throws what making it throws. */
  take(): Promise<T>;
  /** Makes as many as are missing, one after the other, in the background. */
  refill(): void;
  /** Ends what waits; what is being made is waited for and ended. */
  close(): Promise<void>;
}

export interface PoolOptions<T> {
  readonly size: number;
  readonly make: () => Promise<T>;
  readonly isUsable: (made: T) => boolean;
  readonly discard: (made: T) => Promise<void>;
}

export function createPool<T>({ size, make, isUsable, discard }: PoolOptions<T>): Pool<T> {
  const ready: T[] = [];
  const state: { refilling: Promise<void> | undefined; isClosed: boolean } = { refilling: undefined, isClosed: false };

  const refill = () => {
    if (state.isClosed || state.refilling !== undefined || ready.length >= size) return;
    state.refilling = fill().finally(() => {
      state.refilling = undefined;
    });
  };

  const fill = async () => {
    while (!state.isClosed && ready.length < size) {
      try {
        ready.push(await make());
      } catch {
        // Whoever takes next tries by itself, and is told what is wrong.
        return;
      }
    }
  };

  const takeReady = async (): Promise<T | undefined> => {
    for (let made = ready.shift(); made !== undefined; made = ready.shift()) {
      if (isUsable(made)) return made;
      await discard(made);
    }
    return undefined;
  };

  return {
    take: async () => {
      const made = await takeReady();
      if (made !== undefined) return made;
      return make();
    },
    refill,
    close: async () => {
      state.isClosed = true;
      await state.refilling;
      await Promise.all(ready.splice(0).map(discard));
    },
  };
}
