import { reasonOf, tellWhatIsLeft, type Work } from './carry-out.ts';
import { duration } from './print.ts';
import { GoogleRefusal } from './refusal.ts';
import type { End, Step } from './step.ts';

type Kept = Step & { readonly end: Extract<End, { goes: false }> };
type Going = Step & { readonly end: Extract<End, { goes: true }> };

/** Takes away what a deployment made, last things first, and names what stays, why, and what takes that away. */
export async function removeAll({ steps, paper, signal }: Work): Promise<number> {
  const backwards = steps.toReversed();
  const going = backwards.filter((step): step is Going => step.end.goes);
  for (const [index, step] of going.entries()) {
    const since = performance.now();
    try {
      const removed = await unlessDisabled(() => step.end.remove(), false);
      if (removed) paper.item('gone', step.title, `removed   ${duration(performance.now() - since)}`);
    } catch (error) {
      paper.item('failed', step.title, duration(performance.now() - since));
      paper.detail(reasonOf(error, signal));
      tellWhatIsLeft(going, index, paper, 'deploy --remove');
      return 1;
    }
  }
  const kept = steps.filter((step): step is Kept => !step.end.goes);
  for (const step of kept) {
    if (!(await isThere(step))) continue;
    paper.item('kept', step.title, `stays: ${step.end.why}`);
    for (const line of step.end.gcloud) paper.detail(`$ ${line}`);
  }
  paper.line();
  paper.heading('What "runyard deploy" made is removed, but for what is marked ○.');
  return 0;
}

/** What cannot be looked at is named rather than passed over. */
async function isThere(step: Step): Promise<boolean> {
  try {
    return (await unlessDisabled(() => step.look(), { state: 'missing' })).state !== 'missing';
  } catch (error) {
    if (error instanceof GoogleRefusal) return true;
    throw error;
  }
}

/** Of an API that is not enabled, nothing can be there. */
async function unlessDisabled<T>(work: () => Promise<T>, otherwise: T): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof GoogleRefusal && error.obstacle === 'api_disabled') return otherwise;
    throw error;
  }
}
