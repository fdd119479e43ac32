import type { TaskId } from '../contracts/ids.ts';
import type { RunnerHint } from '../contracts/runner-channel.ts';

/** News of tasks, from whoever has some. A hint only shortens a wait; the truth is read from the store. */
export interface Hints {
  publish(hint: RunnerHint): void;
  /** Hears the news of one task from now on, of which `isNews` says what is worth a look. */
  watch(id: TaskId, isNews: (hint: RunnerHint) => boolean): Watch;
}

export interface Watch {
  /** Resolves at news since the last call, after `timeoutMs`, or when the signal is aborted. Whether there was news. */
  next(timeoutMs: number, signal: AbortSignal): Promise<boolean>;
  close(): void;
}

interface Listener {
  readonly isNews: (hint: RunnerHint) => boolean;
  heard: boolean;
  wake: (() => void) | undefined;
}

export function createHints(): Hints {
  const listeners = new Map<TaskId, Set<Listener>>();

  return {
    publish(hint) {
      for (const listener of listeners.get(hint.task) ?? []) {
        if (!listener.isNews(hint)) continue;
        listener.heard = true;
        listener.wake?.();
      }
    },
    watch(id, isNews) {
      const listener: Listener = { isNews, heard: false, wake: undefined };
      const all = listeners.get(id) ?? new Set();
      listeners.set(id, all.add(listener));
      return {
        next: (timeoutMs, signal) => nextNews(listener, timeoutMs, signal),
        close() {
          all.delete(listener);
          if (all.size === 0) listeners.delete(id);
        },
      };
    },
  };
}

function nextNews(listener: Listener, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const finish = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', finish);
      listener.wake = undefined;
      resolve(listener.heard);
      listener.heard = false;
    };
    const timer = setTimeout(finish, timeoutMs);
    signal.addEventListener('abort', finish, { once: true });
    listener.wake = finish;
    if (signal.aborted || listener.heard) finish();
  });
}
