import { z } from 'zod';
import { taskId } from '../contracts/ids.ts';

/** All that a runner reads from its environment: where store, seal and programs are. What to do lies in the store. */

const programs = {
  /** Set by the platform, on every instance of Cloud Run. */
  CLOUD_RUN_JOB: z.string().min(1).optional(),
  K_SERVICE: z.string().min(1).optional(),
  RUNYARD_SANDBOX: z.enum(['auto', 'bubblewrap', 'container', 'cloud-run-launcher']).default('auto'),
  RUNYARD_IMAGE: z.string().optional(),
  RUNYARD_CLAUDE_PATH: z.string().optional(),
};

/** Of a runner that works for the server that started it. */
export const serverRunnerEnvironment = z.object({
  RUNYARD_HOME: z.string().min(1),
  RUNYARD_WORK: z.string().min(1),
  ...programs,
});
export type ServerRunnerEnvironment = z.infer<typeof serverRunnerEnvironment>;

/** Of a runner that is one task of a Cloud Run execution: from the override, from the Job, from the platform. */
export const taskRunnerEnvironment = z.object({
  RUNYARD_TASK: taskId,
  RUNYARD_TASK_TOKEN: z.string().min(1),
  RUNYARD_PROJECT: z.string().min(1),
  RUNYARD_REGION: z.string().min(1),
  RUNYARD_BUCKET: z.string().min(1),
  RUNYARD_KMS_KEY: z.string().min(1),
  RUNYARD_STORAGE_ENDPOINT: z.url().optional(),
  RUNYARD_KMS_ENDPOINT: z.url().optional(),
  RUNYARD_WORK: z.string().min(1).default('/var/lib/runyard'),
  ...programs,
  CLOUD_RUN_JOB: z.string().min(1),
  CLOUD_RUN_EXECUTION: z.string().min(1),
  CLOUD_RUN_TASK_INDEX: z.coerce.number().int().min(0),
  /** Where the image keeps `claude`, if it is nowhere named. */
  PATH: z.string().default(''),
});
export type TaskRunnerEnvironment = z.infer<typeof taskRunnerEnvironment>;
