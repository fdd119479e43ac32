import { setTimeout as delay } from 'node:timers/promises';
import type { protos } from '@google-cloud/run';
import type { CloudPlace } from '../../contracts/cloud.ts';
import { RunyardError } from '../../contracts/errors.ts';
import type { Size } from '../../contracts/limits.ts';
import type { TaskRecord } from '../../contracts/task.ts';
import { statusOfFailure } from '../../lib/google.ts';

/** The platform's own limit comes after the runner's, which counts from the claim and may then collect and report. */
const platformMarginSeconds = 15 * 60;
const platformTimeoutSecondsMax = 7 * 24 * 3600;

/** Of one value, set by Cloud Run. */
const envValueBytesMax = 32 * 1024;

export function jobName({ project, region, job }: CloudPlace, size: Size): string {
  return `projects/${project}/locations/${region}/jobs/${job}-${size}`;
}

/** Says what to run; where everything lies is in the environment of the Job. */
export function runJobRequest(
  place: CloudPlace,
  task: TaskRecord,
  token: string,
): protos.google.cloud.run.v2.IRunJobRequest {
  return {
    name: jobName(place, task.size),
    overrides: {
      containerOverrides: [{ env: [envValue('RUNYARD_TASK', task.id), envValue('RUNYARD_TASK_TOKEN', token)] }],
      taskCount: task.runs,
      timeout: { seconds: Math.min(task.timeoutSeconds + platformMarginSeconds, platformTimeoutSecondsMax) },
    },
  };
}

function envValue(name: string, value: string) {
  const bytes = Buffer.byteLength(value);
  if (bytes <= envValueBytesMax) return { name, value };
  throw new RunyardError(
    'backend_error',
    `${name} is ${bytes} bytes long; Cloud Run takes ${envValueBytesMax} in one environment value.`,
    {
      hint: 'A token of the access boundary is far below it: check what RUNYARD_STS_ENDPOINT answers.',
      retryable: false,
    },
  );
}

const conflictTriesMax = 6;

/** Launches of one job at the same moment may be in each other's way; the one that is refused has started nothing. */
export async function past409<T>(run: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await run();
    } catch (error) {
      if (statusOfFailure(error) !== 409 || attempt === conflictTriesMax) throw error;
      await delay(50 * 2 ** attempt * (0.5 + Math.random() / 2));
    }
  }
}
