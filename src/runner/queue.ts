/** Runs that wait for a slot. Owners take turns, and one that holds half of the slots waits while another does. */
export interface Queue {
  add(owner: string, work: () => Promise<void>): void;
  /** Whether nothing runs or waits. */
  readonly idle: boolean;
}

export function createQueue(slots: number, onIdle: () => void): Queue {
  const waiting = new Map<string, (() => Promise<void>)[]>();
  const running = new Map<string, number>();
  let busy = 0;

  const countOf = (owner: string) => running.get(owner) ?? 0;

  /** The owner whose turn it is: the longest waiting one below its half, else the longest waiting one. */
  const nextOwner = () => {
    const owners = [...waiting.keys()];
    return owners.find((owner) => countOf(owner) < slots / 2) ?? owners[0];
  };

  const take = (owner: string): (() => Promise<void>) => {
    const works = waiting.get(owner)!;
    const work = works.shift()!;
    // Back to the end of the row, where it has more.
    waiting.delete(owner);
    if (works.length > 0) waiting.set(owner, works);
    return work;
  };

  const startNext = () => {
    for (let owner = nextOwner(); owner !== undefined && busy < slots; owner = nextOwner())
      void run(owner, take(owner));
  };

  const run = async (owner: string, work: () => Promise<void>) => {
    busy++;
    running.set(owner, countOf(owner) + 1);
    try {
      await work();
    } finally {
      busy--;
      running.set(owner, countOf(owner) - 1);
      if (countOf(owner) === 0) running.delete(owner);
      startNext();
      if (busy === 0 && waiting.size === 0) onIdle();
    }
  };

  return {
    add(owner, work) {
      waiting.set(owner, [...(waiting.get(owner) ?? []), work]);
      startNext();
    },
    get idle() {
      return busy === 0 && waiting.size === 0;
    },
  };
}
