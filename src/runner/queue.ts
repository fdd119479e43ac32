/** One run, begun when it has a slot. */
type Run = () => Promise<void>;

/**
 * Runs that wait for a slot. Owners take turns, and one that holds half of the slots waits while another does; so do the
 * tasks of one owner, so that a task of a thousand runs holds up nobody's small one.
 */
export interface Queue {
  /** The runs of one task, in order. Each is made only when there is a slot for it. */
  add(owner: string, runs: Iterable<Run>): void;
  /** Whether nothing runs or waits. */
  readonly idle: boolean;
}

export function createQueue(slots: number, onIdle: () => void): Queue {
  const waiting = new Map<string, WaitingTask[]>();
  const running = new Map<string, number>();
  let busy = 0;

  const countOf = (owner: string) => running.get(owner) ?? 0;

  /** The owner whose turn it is: the longest waiting one below its half, else the longest waiting one. */
  const nextOwner = () => {
    const owners = [...waiting.keys()];
    return owners.find((owner) => countOf(owner) < slots / 2) ?? owners[0];
  };

  const take = (owner: string): Run => {
    const tasks = waiting.get(owner)!;
    const task = tasks.shift()!;
    const run = task.next;
    // Back to the end of both rows, where there is more.
    if (task.advance()) tasks.push(task);
    waiting.delete(owner);
    if (tasks.length > 0) waiting.set(owner, tasks);
    return run;
  };

  const startNext = () => {
    for (let owner = nextOwner(); owner !== undefined && busy < slots; owner = nextOwner())
      void work(owner, take(owner));
  };

  const work = async (owner: string, run: Run) => {
    busy++;
    running.set(owner, countOf(owner) + 1);
    try {
      await run();
    } finally {
      busy--;
      running.set(owner, countOf(owner) - 1);
      if (countOf(owner) === 0) running.delete(owner);
      startNext();
      if (busy === 0 && waiting.size === 0) onIdle();
    }
  };

  return {
    add(owner, runs) {
      const task = waitingTask(runs);
      if (task === undefined) return;
      const tasks = waiting.get(owner);
      if (tasks === undefined) waiting.set(owner, [task]);
      else tasks.push(task);
      startNext();
    },
    get idle() {
      return busy === 0 && waiting.size === 0;
    },
  };
}

interface WaitingTask {
  readonly next: Run;
  /** Goes on to the next run; false where there is none. */
  advance(): boolean;
}

/** Undefined where there is no run at all. */
function waitingTask(runs: Iterable<Run>): WaitingTask | undefined {
  const iterator = runs[Symbol.iterator]();
  let head = iterator.next();
  if (head.done === true) return undefined;
  return {
    get next(): Run {
      return head.value;
    },
    advance() {
      head = iterator.next();
      return head.done !== true;
    },
  };
}
