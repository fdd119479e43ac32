import { join } from 'node:path';
import { z } from 'zod';
import type { Caller } from '../../contracts/caller.ts';
import { asRunyardError, type RunyardError } from '../../contracts/errors.ts';
import { taskId } from '../../contracts/ids.ts';
import { hasEnded, type TaskOutput, taskOutput } from '../../contracts/task-output.ts';
import { concurrently } from '../../lib/concurrently.ts';
import { retry } from '../../lib/retry.ts';
import type { ToolServices } from '../../tools/index.ts';
import type { Batch, BatchTask } from './batch-file.ts';
import { saveTask } from './save.ts';
import type { Screen } from './screen.ts';

export interface BatchRun {
  readonly batch: Batch;
  /** One folder a task is made in it. */
  readonly dir: string;
  readonly services: ToolServices;
  readonly caller: Caller;
  readonly screen: Screen;
  /** Nothing new is started once it is aborted, and nothing is waited for. */
  readonly stop: AbortSignal;
  /** Hears of every task that was started. */
  readonly started: (id: string) => void;
}

export interface BatchEnd {
  readonly succeeded: number;
  readonly failed: number;
}

/** Runs all tasks, a few at a time, and saves each as it ends. One that fails stops no other. */
export async function carryOut(run: BatchRun): Promise<BatchEnd> {
  const { batch, screen, stop } = run;
  const counts = { all: batch.tasks.length, ended: 0, failed: 0, running: 0 };
  const tell = () => screen.progress(counts);
  tell();
  await concurrently(batch.tasks, batch.concurrency, async (task) => {
    if (stop.aborted) return;
    counts.running++;
    tell();
    const succeeded = await oneTask(run, task);
    counts.running--;
    if (succeeded === undefined) return;
    counts.ended++;
    if (!succeeded) counts.failed++;
    tell();
  });
  screen.close();
  return { succeeded: counts.ended - counts.failed, failed: counts.failed };
}

// --- Internal helpers ---

const looksApartMs = 300_000;
/** A server that is asked too much, or a backend that rests for a moment, is asked again for so long. */
const patienceMs = 10 * 60_000;

const ended = z.object({ duration_ms: z.number().optional(), cost_usd: z.number().nullish() });

/** Whether it succeeded; undefined where nobody waits for it any more. */
async function oneTask(run: BatchRun, task: BatchTask): Promise<boolean | undefined> {
  let output: TaskOutput | undefined;
  try {
    output = await outputOf(run, task);
    if (output === undefined) return undefined;
    await saveTask(join(run.dir, task.id), output, run.caller, run.services.tasks);
    const { duration_ms, cost_usd } = ended.parse(output);
    run.screen.ended({
      id: task.id,
      status: output.status,
      succeeded: output.success === true,
      durationMs: duration_ms,
      costUsd: cost_usd,
      ...(output.error === undefined ? {} : { reason: `${output.error.code}: ${firstLine(output.error.message)}` }),
    });
    return output.success === true;
  } catch (error) {
    if (run.stop.aborted) return undefined;
    const { code, message } = asRunyardError(error);
    const reason = `${code}: ${firstLine(message)}`;
    run.screen.ended({
      id: task.id,
      status: output === undefined ? 'refused' : 'not saved',
      succeeded: false,
      durationMs: undefined,
      costUsd: undefined,
      reason,
    });
    return false;
  }
}

async function outputOf(run: BatchRun, task: BatchTask): Promise<TaskOutput | undefined> {
  const { services, caller, stop } = run;
  const call = { caller, signal: stop };
  const submit = async () => {
    const { output } = await task.tool.call({ ...task.input, wait_seconds: 0 }, call, services);
    return taskId.parse(output.task_id);
  };
  const patience = {
    withinMs: patienceMs,
    firstDelayMs: 500,
    maxDelayMs: 10_000,
    onFailure: (error: unknown) => unlessFinal(asRunyardError(error), stop),
  };
  const id = await retry(submit, patience);
  run.started(id);
  const look = () => services.tasks.wait(id, caller, { waitMs: looksApartMs, signal: stop });
  while (!stop.aborted) {
    const view = await retry(look, patience);
    if (hasEnded(view)) return taskOutput(view);
  }
  return undefined;
}

/** Ends the retries of what the same request can never come to. */
function unlessFinal(error: RunyardError, stop: AbortSignal): void {
  if (!error.retryable || stop.aborted) throw error;
}

function firstLine(text: string): string {
  return text.split('\n')[0]!.slice(0, 200);
}
