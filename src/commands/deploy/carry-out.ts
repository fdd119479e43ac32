import { RunyardError } from '../../contracts/errors.ts';
import type { GoogleRest } from './google-rest.ts';
import { duration, type Paper } from './print.ts';
import type { Step } from './step.ts';

export interface Work {
  readonly steps: readonly Step[];
  readonly rest: GoogleRest;
  readonly paper: Paper;
  readonly signal: AbortSignal;
}

const never = () => false;

/**
 * Makes what is missing and mends what differs, step by step. Resolves to the exit code: 1 where a step failed, after
 * telling what is done, what is left and that a second run goes on.
 */
export async function carryOut({ steps, rest, paper, signal }: Work): Promise<number> {
  const startedAt = performance.now();
  const notes: string[] = [];
  for (const [index, step] of steps.entries()) {
    const since = performance.now();
    const told = () => duration(performance.now() - since);
    try {
      // An API that was enabled a moment ago may not answer yet.
      const found = await rest.settled(() => step.look(), never);
      const note = found.state === 'there' ? found.note : await rest.settled(() => step.make(), never);
      const did = { there: 'was there', missing: 'made', differs: 'changed' }[found.state];
      paper.item('done', step.title, `${did.padEnd(9)} ${told()}`);
      if (note !== undefined) notes.push(`${step.title}: ${note}`);
    } catch (error) {
      paper.item('failed', step.title, told());
      paper.detail(reasonOf(error, signal));
      tellWhatIsLeft(steps, index, paper, 'deploy');
      return 1;
    }
  }
  paper.line();
  paper.heading(`Everything is there, in ${duration(performance.now() - startedAt)}.`);
  for (const note of notes) paper.detail(note);
  return 0;
}

/** In our words; what is no refusal and no interruption is a fault of ours and goes on its way. */
export function reasonOf(error: unknown, signal: AbortSignal): string {
  if (signal.aborted) return 'Interrupted.';
  if (error instanceof RunyardError) return `${error.message} ${error.hint}`;
  throw error;
}

export function tellWhatIsLeft(steps: readonly Step[], index: number, paper: Paper, command: string): void {
  const list = (some: readonly Step[]) => (some.length === 0 ? 'nothing' : some.map(({ title }) => title).join(', '));
  paper.line();
  paper.line(`  Done: ${list(steps.slice(0, index))}.`);
  paper.line(`  Left: ${list(steps.slice(index))}.`);
  paper.line(`  Run "runyard ${command}" again: it goes on where it stopped.`);
}
