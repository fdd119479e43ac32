import { limits } from '../contracts/limits.ts';

/** How long a run may go on besides its time limit. */
export interface Patience {
  /** Of one of the caller's commands. */
  readonly commandMs: number;
  /** Without a word of Claude. */
  readonly silenceMs: number;
}

export const usualPatience: Patience = {
  commandMs: limits.commandTimeoutSeconds * 1000,
  silenceMs: limits.claudeSilenceSeconds * 1000,
};

/** How long one step may take, and how long it may say nothing; for ever where not given. */
export interface StepPatience {
  readonly stepMs?: number;
  readonly silenceMs?: number;
}

/** A step that went on for too long. */
export interface Overdue {
  readonly why: 'took too long' | 'was silent';
  readonly afterMs: number;
}

/** Follows the steps of one program by their signs of life. */
export interface StepWatch {
  begins(step: number): void;
  heard(): void;
  end(): void;
}

/** Calls `onOverdue` once, for the first step that is out of patience. */
export function watchSteps(patienceWith: (step: number) => StepPatience, onOverdue: (why: Overdue) => void): StepWatch {
  let whole: NodeJS.Timeout | undefined;
  let silence: NodeJS.Timeout | undefined;
  let heardAtMs = 0;

  const end = () => {
    clearTimeout(whole);
    clearTimeout(silence);
  };
  const overdue = (why: Overdue) => {
    end();
    onOverdue(why);
  };
  /** One timer however much is said: what came meanwhile is seen when it fires. */
  const listen = (silenceMs: number, forMs: number) => {
    silence = setTimeout(() => {
      const leftMs = heardAtMs + silenceMs - performance.now();
      if (leftMs <= 0) overdue({ why: 'was silent', afterMs: silenceMs });
      else listen(silenceMs, leftMs);
    }, forMs);
  };

  return {
    begins(step) {
      end();
      heardAtMs = performance.now();
      const { stepMs, silenceMs } = patienceWith(step);
      if (stepMs !== undefined) whole = setTimeout(overdue, stepMs, { why: 'took too long', afterMs: stepMs });
      if (silenceMs !== undefined) listen(silenceMs, silenceMs);
    },
    heard() {
      heardAtMs = performance.now();
    },
    end,
  };
}
