import type { TaskId } from '../contracts/ids.ts';
import type { RunnerHint } from '../contracts/runner-channel.ts';

/** News of tasks, from whoever has some. A hint only shortens a wait; the truth is read from the store. */
export interface Hints {
  publish(hint: RunnerHint): void;
  /** Hears the news of one task from now on. */
  watch(id: TaskId): Watch;
}

export interface Watch {
  /** Resolves at news of this kind since the last call, after `timeoutMs`, or when the signal is aborted. */
  next(news: ReadonlySet<RunnerHint['news']>, timeoutMs: number, signal: AbortSignal): Promise<void>;
  close(): void;
}

interface Listener {
  heard: Set<RunnerHint['news']>;
  wake: (() => void) | undefined;
}

export function createHints(): Hints {
  const listeners = new Map<TaskId, Set<Listener>>();

  return {
    publish({ task, news }) {
      for (const listener of listeners.get(task) ?? []) {
        listener.heard.add(news);
        listener.wake?.();
      }
    },
    watch(id) {
      const listener: Listener = { heard: new Set(), wake: undefined };
      const all = listeners.get(id) ?? new Set();
      listeners.set(id, all.add(listener));
      return {
        next: (news, timeoutMs, signal) => nextNews(listener, news, timeoutMs, signal),
        close() {
          all.delete(listener);
          if (all.size === 0) listeners.delete(id);
        },
      };
    },
  };
}

function nextNews(
  listener: Listener,
  news: ReadonlySet<RunnerHint['news']>,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve) => {
    const finish = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', finish);
      listener.wake = undefined;
      listener.heard.clear();
      resolve();
    };
    const wakeIfMeant = () => {
      if ([...listener.heard].some((each) => news.has(each))) finish();
    };
    const timer = setTimeout(finish, timeoutMs);
    signal.addEventListener('abort', finish, { once: true });
    listener.wake = wakeIfMeant;
    if (signal.aborted) finish();
    else wakeIfMeant();
  });
}
