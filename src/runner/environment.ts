import { z } from 'zod';

/** All that a runner reads from its environment: where store, seal and programs are. What to do lies in the store. */
export const runnerEnvironment = z.object({
  RUNYARD_HOME: z.string().min(1),
  RUNYARD_WORK: z.string().min(1),
  RUNYARD_SANDBOX: z.enum(['auto', 'bubblewrap', 'container', 'cloud-run-launcher']).default('auto'),
  RUNYARD_CLAUDE_PATH: z.string().optional(),
  RUNYARD_PRICES: z.string().optional(),
});
export type RunnerEnvironment = z.infer<typeof runnerEnvironment>;
