import { RunyardError } from '../contracts/errors.ts';
import type { Sandbox } from '../contracts/sandbox.ts';
import { type BubblewrapOptions, createBubblewrap } from './bubblewrap/index.ts';

export type SandboxChoice = 'auto' | 'bubblewrap' | 'container' | 'cloud-run-launcher';

/** The wall that is configured. Throws `sandbox_unavailable` where this version has none of that name. */
export function detectSandbox(choice: SandboxChoice, options: BubblewrapOptions): Sandbox {
  if (choice === 'container' || choice === 'cloud-run-launcher') throw notYet(choice);
  return createBubblewrap(options);
}

function notYet(choice: SandboxChoice): RunyardError {
  return new RunyardError('sandbox_unavailable', `This version of Runyard has no sandbox called ${choice}.`, {
    hint: 'Set RUNYARD_SANDBOX=bubblewrap, or leave it out.',
  });
}
