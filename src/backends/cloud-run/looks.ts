import type { ExecutionRecord, TaskOfExecution } from './conditions.ts';

/** What Cloud Run says of one execution, asked at most once for all who want to know about the same time. */
export interface ExecutionLook {
  /** Undefined where Cloud Run has no such execution. */
  readonly execution: ExecutionRecord | undefined;
  /** By index; asked for only where one of them may have ended before the others. */
  readonly tasks: ReadonlyMap<number, TaskOfExecution>;
}

export interface Looks {
  at(name: string): Promise<ExecutionLook>;
}

/** Many waits and 1,000 runs look at once. */
const freshMs = 1000;
/** All executions together are asked after this often; a region's quota of reads is 50 a second. */
const looksPerSecondMax = 20;

export function createLooks(look: (name: string) => Promise<ExecutionLook>): Looks {
  const known = new Map<string, { readonly answer: Promise<ExecutionLook>; readonly atMs: number }>();

  const forgetOld = () => {
    const lifeMs = Math.max(freshMs, (known.size * 1000) / looksPerSecondMax);
    for (const [name, { atMs }] of known) {
      // In the order of their age.
      if (Date.now() - atMs < lifeMs) break;
      known.delete(name);
    }
  };

  return {
    at(name) {
      forgetOld();
      const before = known.get(name);
      if (before !== undefined) return before.answer;
      const answer = look(name);
      known.set(name, { answer, atMs: Date.now() });
      answer.catch(() => known.delete(name));
      return answer;
    },
  };
}
