import { keys } from '../contracts/keys.ts';
import type { RunnerHint } from '../contracts/runner-channel.ts';
import type { Store } from '../contracts/store.ts';
import type { RunResult, TaskRecord } from '../contracts/task.ts';
import type { Logger } from '../lib/logger.ts';
import { retry } from '../lib/retry.ts';

/** A full disk may have room again; until then the run counts as running, which is the truth. */
const reportWithinMs = 10 * 60_000;

/** Writes the one truth about the end of a run. Where somebody wrote it before, that one holds. */
export async function reportResult(
  store: Store,
  task: TaskRecord,
  result: RunResult,
  { log, tell }: { readonly log: Logger; readonly tell: (hint: RunnerHint) => void },
): Promise<void> {
  const key = keys.result(task.id, result.run);
  const write = async () => {
    await store.create(key, JSON.stringify(result));
    tell({ task: task.id, run: result.run, news: 'ended' });
    await store.persist(key);
  };
  await retry(write, {
    withinMs: reportWithinMs,
    firstDelayMs: 100,
    maxDelayMs: 5000,
    onFailure: (error) =>
      log.warn({ task: task.id, run: result.run, error }, 'the result could not be stored; trying again'),
  });
}
