import { z } from 'zod';

/** `{ execution }` of a launch, `{ execution, task }` of the runner that claimed a run. */
export const executionHandle = z.strictObject({
  /** `projects/P/locations/R/jobs/J/executions/E`. */
  execution: z.string().regex(/^projects\/[^/]+\/locations\/[^/]+\/jobs\/[^/]+\/executions\/[^/]+$/),
  /** Its index among the execution's tasks, which is the run's number. */
  task: z.int().min(0).optional(),
});
