import { randomUUID } from 'node:crypto';
import { createSharedWork, type ShareWork } from './shared-work.ts';

interface Row {
  /** Names the work that whoever comes now shares: one that has not begun. */
  turn: string;
  /** The work under way; never rejects. */
  last: Promise<void>;
}

/**
 * As shared work, of what may change: whoever comes once a work has begun waits for the next one, which sees all that was
 * there when they came. One work of a name at a time, and never more than one that waits.
 */
export function createFreshWork<T>(): ShareWork<T> {
  const share = createSharedWork<T>();
  const rows = new Map<string, Row>();

  const rowOf = (name: string): Row => {
    const row = rows.get(name) ?? { turn: randomUUID(), last: Promise.resolve() };
    rows.set(name, row);
    return row;
  };

  const inTurn = async (name: string, row: Row, work: () => Promise<T>, stop: AbortSignal): Promise<T> => {
    await row.last;
    stop.throwIfAborted();
    row.turn = randomUUID();
    const outcome = work();
    const last = outcome.then(ignore, ignore).then(() => {
      if (row.last === last && rows.get(name) === row) rows.delete(name);
    });
    row.last = last;
    return outcome;
  };

  return (name, work, signal) => {
    const row = rowOf(name);
    return share(row.turn, (stop) => inTurn(name, row, () => work(stop), stop), signal);
  };
}

function ignore(): void {
  // Whoever waits for the work hears of it.
}
