import { keys } from '../contracts/keys.ts';
import type { RunnerHint } from '../contracts/runner-channel.ts';
import type { Store } from '../contracts/store.ts';
import { type RunResult, runResult, type TaskRecord } from '../contracts/task.ts';
import type { Logger } from '../lib/logger.ts';
import { retry } from '../lib/retry.ts';

/** A full disk may have room again; until then the run counts as running, which is the truth. */
const reportWithinMs = 10 * 60_000;

/**
 * Writes the one truth about the end of a run, and gives back what was written. Where somebody wrote it before, that one
 * holds, and undefined is given back; so it is where it cannot be known whose it is.
 */
export async function reportResult(
  store: Store,
  task: Pick<TaskRecord, 'id'>,
  result: RunResult,
  { log, tell }: { readonly log: Logger; readonly tell: (hint: RunnerHint) => void },
): Promise<string | undefined> {
  const key = keys.result(task.id, result.run);
  const text = JSON.stringify(readable(result, log));
  let isOurs = false;
  const write = async () => {
    isOurs = (await store.create(key, text)) === 'created' || isOurs;
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
  return isOurs ? text : undefined;
}

/** A result that its own schema refuses could never be read again. What made it is a fault of ours, and is told as one. */
function readable(result: RunResult, log: Logger): RunResult {
  const { success, error } = runResult.safeParse(result);
  if (success) return result;
  log.error({ run: result.run, error }, 'a result does not fit its schema');
  const told = 'The run ended, but its result could not be written down.';
  const { run, startedAt, durationMs, sandbox } = result;
  return {
    ...{ run, startedAt, durationMs, sandbox },
    status: 'failed',
    exitCode: null,
    error: { code: 'backend_error', message: told },
    stdout: '',
    stderr: '',
    truncated: true,
    artifacts: [],
  };
}
