import { RunyardError } from '../contracts/errors.ts';
import type { Finding, Sandbox } from '../contracts/sandbox.ts';
import { type BubblewrapOptions, createBubblewrap } from './bubblewrap/index.ts';

export type SandboxChoice = 'auto' | 'bubblewrap' | 'container' | 'cloud-run-launcher';

/** The wall that is configured. Throws `sandbox_unavailable` where this version has none of that name. */
export function detectSandbox(choice: SandboxChoice, options: BubblewrapOptions): Sandbox {
  if (!isBubblewrap(choice)) throw notYet(choice);
  return createBubblewrap(options);
}

/** What is here of all that the configured wall needs, and the command that brings what is missing. */
export async function probeSandbox(choice: SandboxChoice, options: BubblewrapOptions): Promise<Finding[]> {
  if (!isBubblewrap(choice)) {
    const { message, hint } = notYet(choice);
    return [{ subject: 'sandbox', state: 'missing', detail: message, remedy: hint }];
  }
  // Loaded by the doctor alone.
  const { probeBubblewrap } = await import('./bubblewrap/probe.ts');
  return probeBubblewrap(options);
}

function isBubblewrap(choice: SandboxChoice): boolean {
  return choice === 'auto' || choice === 'bubblewrap';
}

function notYet(choice: SandboxChoice): RunyardError {
  return new RunyardError('sandbox_unavailable', `This version of Runyard has no sandbox called ${choice}.`, {
    hint: 'Set RUNYARD_SANDBOX=bubblewrap, or leave it out.',
  });
}
