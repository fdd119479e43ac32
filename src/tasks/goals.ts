import type { Store } from '../contracts/store.ts';
import type { TaskRecord } from '../contracts/task.ts';
import type { EventsWait } from '../contracts/task-service.ts';
import { createLineWatch } from './events-page.ts';
import { readResult } from './objects.ts';
import { allEnded, lookAt, type Progress } from './progress.ts';
import type { Goal } from './wait.ts';

/** What callers wait for. */

/** The end of every run. `progress` is what the last look saw. */
export function endOfTask(store: Store, record: TaskRecord): Goal & { readonly progress: Progress } {
  /** From looks and from news: a look is worth it only when the last run is heard of. */
  const known = new Set<number>();
  let progress: Progress = { ended: known };
  return {
    async isReached() {
      progress = await lookAt(store, record);
      for (const run of progress.ended) known.add(run);
      return allEnded(record, progress);
    },
    isNews: ({ news, run }) => news === 'ended' && known.add(run).size >= record.runs,
    readsPerLook: 1,
    get progress() {
      return progress;
    },
  };
}

/** The end of one run of several; it knows nothing of the others. */
export function endOfRun(store: Store, { id }: TaskRecord, run: number): Goal {
  return {
    isReached: async () => (await readResult(store, id, run)) !== undefined,
    isNews: (hint) => hint.news === 'ended' && hint.run === run,
    readsPerLook: 1,
  };
}

/** A line of the run at or after `fromSeq`, or that no more can come. */
export function linesOrEnd(store: Store, record: TaskRecord, { run, fromSeq, until }: EventsWait): Goal {
  const hasLines = createLineWatch(store, record.id, run, fromSeq);
  const end: Goal = until === 'end of task' ? endOfTask(store, record) : endOfRun(store, record, run);
  return {
    isReached: async () => (await hasLines()) || end.isReached(),
    isNews: (hint) => (hint.news === 'events' && hint.run === run) || end.isNews(hint),
    readsPerLook: 2,
    get progress() {
      return end.progress;
    },
  };
}
