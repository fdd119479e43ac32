import { noUsage, type RunResult, type RunStatus, type TaskEnd, type TaskKind, type Usage } from '../contracts/task.ts';

/** Status is derived from claims and results, never stored before the end. */

/** Cancelled if any run is, else failed if any is, and so on. */
const worstFirst: readonly RunStatus[] = ['cancelled', 'failed', 'timed_out', 'succeeded'];

/** Adds up the results of a task, in any order, without keeping them. */
export interface Tally {
  add(result: RunResult): void;
  /** What `end` says once all results were added. */
  end(): TaskEnd;
}

export function createTally(kind: TaskKind): Tally {
  const counts: Record<RunStatus, number> = { succeeded: 0, failed: 0, timed_out: 0, cancelled: 0 };
  let usage = noUsage;
  let costUsd: number | null = 0;
  return {
    add({ status, claude }) {
      counts[status]++;
      // Of a run without a word from the gateway nobody knows what it cost.
      const cost = claude?.costUsd ?? null;
      costUsd = costUsd === null || cost === null ? null : costUsd + cost;
      if (claude !== undefined) usage = addUsage(usage, claude.usage);
    },
    end: () => ({
      status: worstFirst.find((status) => counts[status] > 0) ?? 'succeeded',
      at: new Date().toISOString(),
      counts: { ...counts },
      ...(kind === 'claude' ? { costUsd, usage } : {}),
    }),
  };
}

function addUsage(a: Usage, b: Usage): Usage {
  return {
    inputTokens: a.inputTokens + b.inputTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    cacheCreationInputTokens: a.cacheCreationInputTokens + b.cacheCreationInputTokens,
    cacheReadInputTokens: a.cacheReadInputTokens + b.cacheReadInputTokens,
  };
}
