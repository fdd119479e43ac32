import { readProc } from '../../lib/read-proc.ts';
import { warnOnce } from '../../lib/warn-once.ts';

/** Looks after the instance's memory while a wall stands: whoever uses it up takes the runner down too. */
export interface MemoryWatch {
  /** Returns how to end it. */
  add(onLow: () => void): () => void;
}

const lookEveryMs = 100;
/** What must stay available; where less was at the start, half of that. */
const floorBytes = 192 * 1024 ** 2;

export function createMemoryWatch(meminfoPath: string): MemoryWatch {
  const listeners = new Set<() => void>();
  const state: { timer: NodeJS.Timeout | undefined; floor: number } = { timer: undefined, floor: floorBytes };
  /** Nobody would hear of what fails here, and the next look is a tenth of a second away. */
  const look = () => {
    try {
      if (availableBytes(meminfoPath) >= state.floor) return;
      for (const tell of listeners) tell();
    } catch (error) {
      warn(error);
    }
  };
  const warn = warnOnce('after the memory');
  return {
    add: (onLow) => {
      listeners.add(onLow);
      if (state.timer === undefined) {
        state.floor = Math.min(floorBytes, availableBytes(meminfoPath) / 2);
        state.timer = setInterval(look, lookEveryMs).unref();
      }
      return () => {
        listeners.delete(onLow);
        if (listeners.size > 0) return;
        clearInterval(state.timer);
        state.timer = undefined;
      };
    },
  };
}

function availableBytes(meminfoPath: string): number {
  return 1024 * Number(/^MemAvailable:\s*(\d+) kB$/m.exec(readProc(meminfoPath))?.[1] ?? Number.MAX_SAFE_INTEGER);
}
