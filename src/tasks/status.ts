import type { RunResult, RunStatus, TaskEnd, TaskStatus, Usage } from '../contracts/task.ts';

/** Status is derived from claims and results, never stored before the end. */
export function statusOf(results: readonly (RunResult | undefined)[], anyClaimed: boolean): TaskStatus {
  const statuses = results.flatMap((result) => (result === undefined ? [] : [result.status]));
  if (statuses.length === results.length) return worstOf(statuses);
  return anyClaimed || statuses.length > 0 ? 'running' : 'queued';
}

const worstFirst: readonly RunStatus[] = ['cancelled', 'failed', 'timed_out', 'succeeded'];

function worstOf(statuses: readonly RunStatus[]): RunStatus {
  return worstFirst.find((status) => statuses.includes(status)) ?? 'succeeded';
}

/** What `end` says of a task whose runs all have a result. */
export function endOf(results: readonly RunResult[]): TaskEnd {
  const count = (status: RunStatus) => results.filter((result) => result.status === status).length;
  const claude = results.flatMap((result) => (result.claude === undefined ? [] : [result.claude]));
  return {
    status: worstOf(results.map((result) => result.status)),
    at: new Date().toISOString(),
    counts: {
      succeeded: count('succeeded'),
      failed: count('failed'),
      timed_out: count('timed_out'),
      cancelled: count('cancelled'),
    },
    ...(claude.length === 0
      ? {}
      : {
          costUsd: claude.some((one) => one.costUsd === null)
            ? null
            : claude.reduce((sum, one) => sum + (one.costUsd ?? 0), 0),
          usage: claude.map((one) => one.usage).reduce(addUsage),
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
