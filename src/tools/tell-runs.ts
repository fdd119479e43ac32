import type { RunOutput, TaskOutput } from '../contracts/task-output.ts';
import { quotedCharactersMax, quoteUntrusted } from './quote-untrusted.ts';

/** The words in which several runs are told to a model: how many did what, then those that failed, then the others. */

export type SeveralRuns = Pick<TaskOutput, 'task_id' | 'status' | 'duration_ms'> & {
  readonly runs: readonly RunOutput[];
};

export function tellRuns(output: SeveralRuns): string {
  return `${countRuns(output)}${quoteUntrusted('runs', firstThatFit(failedFirst(output.runs)))}\nRead all of one run with run in get_task_logs.`;
}

const failedTold = 20;

/** Nothing of it is a program's own word. */
export function countRuns({ task_id, status, duration_ms, runs }: SeveralRuns): string {
  const seconds = duration_ms === undefined ? '' : ` after ${(duration_ms / 1000).toFixed(1)} s`;
  const failed = runs.filter(({ success }) => !success);
  const count = `${task_id} ${status}${seconds}: ${runs.length - failed.length} of ${runs.length} runs succeeded.`;
  if (failed.length === 0) return count;
  const told = failed.slice(0, failedTold).map(({ run, status, error }) => `${run} (${error?.code ?? status})`);
  const more = failed.length > failedTold ? ` and ${failed.length - failedTold} more` : '';
  return `${count} Not so: ${told.join(', ')}${more}.`;
}

function failedFirst(runs: readonly RunOutput[]): RunOutput[] {
  return runs.toSorted((a, b) => Number(a.success) - Number(b.success) || a.run - b.run);
}

const roomForMore = 40;

function firstThatFit(runs: readonly RunOutput[]): string {
  let left = quotedCharactersMax - roomForMore;
  const told = runs.map(tellRun);
  const fitting = told.findIndex((text) => {
    left -= text.length + 1;
    return left < 0;
  });
  if (fitting === -1) return told.join('\n');
  return [...told.slice(0, fitting), `and ${told.length - fitting} more runs`].join('\n');
}

function tellRun(output: RunOutput): string {
  const { run, status, error } = output;
  const type = error?.type === undefined ? '' : `${error.type}: `;
  const why = error === undefined ? '' : `, ${type}${error.message}`;
  const code = 'exit_code' in output && typeof output.exit_code === 'number' ? `, exit code ${output.exit_code}` : '';
  const text = 'stdout' in output ? output.stdout : output.response;
  return `run ${run} ${status}${code}${why}${text === '' ? '' : `\n${text.trimEnd()}`}`;
}
