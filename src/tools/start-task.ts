import { RunyardError } from '../contracts/errors.ts';
import { type TaskOutput, taskOutput } from '../contracts/task-output.ts';
import type { NewTask, TaskView } from '../contracts/task-service.ts';
import type { Call } from './define-tool.ts';
import type { Tasks } from './services.ts';

/** Submits the task and waits for its end, as long as the caller is willing to. */
export async function startTask(
  task: NewTask,
  waitSeconds: number,
  { caller, signal }: Call,
  { tasks }: Tasks<'submit' | 'wait'>,
): Promise<TaskOutput> {
  const id = await tasks.submit(task, caller);
  const view = await tasks.wait(id, caller, { waitMs: waitSeconds * 1000, signal });
  refuseWhatNeverRan(view);
  return taskOutput(view);
}

/** Without a sandbox nothing was run: that is no result of the program, but a call that could not be carried out. */
function refuseWhatNeverRan({ result, outcome }: TaskView): void {
  const ends = result === undefined ? (outcome?.runs ?? []) : [result];
  const [first] = ends;
  if (first?.error === undefined || !ends.every(({ error }) => error?.code === 'sandbox_unavailable')) return;
  throw new RunyardError('sandbox_unavailable', first.error.message, {
    hint: 'Nothing was run. "runyard doctor" where the server runs names what is missing.',
  });
}
