import type { protos } from '@google-cloud/run';
import type { CloudPlace } from '../../contracts/cloud.ts';
import { RunyardError } from '../../contracts/errors.ts';
import type { Size } from '../../contracts/limits.ts';
import type { TaskRecord } from '../../contracts/task.ts';

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
