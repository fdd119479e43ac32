import { z } from 'zod';
import type { Inspection } from '../../contracts/backend.ts';
import { RunyardError } from '../../contracts/errors.ts';
import { runnerExitCodes } from '../../contracts/runner-exit.ts';

/** Cloud Run's records of an execution and its tasks, and what they mean for a run that has no result. */

/** An enum comes as its name or as its number. */
const named = (names: Readonly<Record<number, string>>) =>
  z.union([z.string(), z.int()]).transform((value) => (typeof value === 'number' ? names[value] : value));

const states = [
  'STATE_UNSPECIFIED',
  'CONDITION_PENDING',
  'CONDITION_RECONCILING',
  'CONDITION_FAILED',
  'CONDITION_SUCCEEDED',
];

const executionReasons = [
  'EXECUTION_REASON_UNDEFINED',
  'JOB_STATUS_SERVICE_POLLING_ERROR',
  'NON_ZERO_EXIT_CODE',
  'CANCELLED',
  'CANCELLING',
  'DELETED',
  'DELAYED_START_PENDING',
];

const commonReasons = {
  4: 'PROGRESS_DEADLINE_EXCEEDED',
  6: 'CONTAINER_MISSING',
  7: 'CONTAINER_PERMISSION_DENIED',
  8: 'CONTAINER_IMAGE_UNAUTHORIZED',
  9: 'CONTAINER_IMAGE_AUTHORIZATION_CHECK_FAILED',
  10: 'ENCRYPTION_KEY_PERMISSION_DENIED',
  11: 'ENCRYPTION_KEY_CHECK_FAILED',
  12: 'SECRETS_ACCESS_CHECK_FAILED',
  16: 'INTERNAL',
  17: 'VPC_NETWORK_NOT_FOUND',
};

const condition = z.object({
  type: z.string().nullish(),
  state: named(states).nullish(),
  message: z.string().nullish(),
  reason: named(commonReasons).nullish(),
  executionReason: named(executionReasons).nullish(),
});
type Condition = z.infer<typeof condition>;

const timestamp = z.object({ seconds: z.coerce.number() }).transform(({ seconds }) => seconds * 1000);
const count = z
  .number()
  .nullish()
  .transform((value) => value ?? 0);

export const executionRecord = z.object({
  name: z.string(),
  createTime: timestamp.nullish(),
  startTime: timestamp.nullish(),
  deleteTime: timestamp.nullish(),
  taskCount: count,
  succeededCount: count,
  failedCount: count,
  cancelledCount: count,
  conditions: z.array(condition).nullish(),
});
export type ExecutionRecord = z.infer<typeof executionRecord>;

export const taskOfExecution = z.object({
  index: count,
  conditions: z.array(condition).nullish(),
  lastAttemptResult: z
    .object({
      status: z.object({ code: z.number().nullish(), message: z.string().nullish() }).nullish(),
      exitCode: count,
      termSignal: count,
    })
    .nullish(),
});
export type TaskOfExecution = z.infer<typeof taskOfExecution>;

type Ended = Extract<Inspection, { state: 'ended' }>;

const alive: Inspection = { state: 'alive' };
const ended = (reason: string, more: Pick<Ended, 'exitCode' | 'code'> = {}): Ended => ({
  state: 'ended',
  reason,
  ...more,
});

/** Cloud Run gives a container four minutes to start, and an execution may wait for capacity before that. */
const neverStartedMs = 15 * 60_000;

/** Of the whole execution: for a launch whose runners have claimed nothing. */
export function inspectionOfExecution(execution: ExecutionRecord): Inspection {
  if (execution.deleteTime != null) return ended(deleted);
  const completed = completedOf(execution, execution.name);
  if (completed !== undefined) return endOf(completed, execution.name);
  const waitedMs = execution.createTime == null ? 0 : Date.now() - execution.createTime;
  if (execution.startTime == null && waitedMs > neverStartedMs && !isDelayed(execution)) {
    return ended(`its execution did not start within ${neverStartedMs / 60_000} minutes`);
  }
  return alive;
}

/** Of one of its tasks; undefined where its own record says nothing of an end. */
export function inspectionOfTask(task: TaskOfExecution, name: string): Inspection | undefined {
  const completed = completedOf(task, `task ${task.index} of ${name}`);
  if (completed === undefined) return undefined;
  if (completed.state === 'CONDITION_SUCCEEDED') return endOf(completed, name);
  const byPeople = reasonsOfPeople[completed.executionReason ?? ''];
  return byPeople === undefined ? (endOfAttempt(task) ?? endOf(completed, name)) : ended(byPeople);
}

const deleted = 'its execution was deleted by hand';

const reasonsOfPeople: Readonly<Record<string, string>> = {
  CANCELLED: 'its execution was cancelled',
  CANCELLING: 'its execution was cancelled',
  DELETED: deleted,
};

/** The condition that tells of the end; undefined before it. */
function completedOf({ conditions }: { readonly conditions?: Condition[] | null | undefined }, name: string) {
  const completed = conditions?.find(({ type }) => type === 'Completed');
  if (completed === undefined) return undefined;
  if (completed.executionReason === 'JOB_STATUS_SERVICE_POLLING_ERROR') {
    throw new RunyardError('backend_error', `Cloud Run cannot tell at the moment how ${name} does.`);
  }
  switch (completed.state) {
    case 'CONDITION_PENDING':
    case 'CONDITION_RECONCILING':
      return undefined;
    case 'CONDITION_FAILED':
    case 'CONDITION_SUCCEEDED':
      return completed;
    default:
      throw new RunyardError('backend_error', `Cloud Run says of ${name} what this version of Runyard does not know.`);
  }
}

function isDelayed({ conditions }: ExecutionRecord): boolean {
  return conditions?.some(({ executionReason }) => executionReason === 'DELAYED_START_PENDING') === true;
}

const setUpAgain = '"runyard deploy" sets it up again';

const reasonsOfPlatform: Readonly<Record<string, string>> = {
  ...reasonsOfPeople,
  NON_ZERO_EXIT_CODE: 'its runner ended with an error',
  PROGRESS_DEADLINE_EXCEEDED: 'its container did not start in time',
  CONTAINER_MISSING: `its image is not there: ${setUpAgain}`,
  CONTAINER_PERMISSION_DENIED: `Cloud Run may not read its image: ${setUpAgain}`,
  CONTAINER_IMAGE_UNAUTHORIZED: 'the policy for images in this project forbids its image',
  CONTAINER_IMAGE_AUTHORIZATION_CHECK_FAILED: 'the policy for images in this project could not be checked',
  ENCRYPTION_KEY_PERMISSION_DENIED: 'Cloud Run may not use the key that encrypts its image',
  ENCRYPTION_KEY_CHECK_FAILED: 'the key that encrypts its image could not be checked',
  SECRETS_ACCESS_CHECK_FAILED: 'a secret in the environment of its job cannot be read',
  INTERNAL: 'Cloud Run failed inside',
  VPC_NETWORK_NOT_FOUND: `its network is not there: ${setUpAgain}`,
};

function endOf(completed: Condition, name: string): Inspection {
  if (completed.state === 'CONDITION_SUCCEEDED') return ended('its runner ended without a result', { exitCode: 0 });
  const reason = reasonsOfPlatform[completed.executionReason ?? completed.reason ?? ''];
  const ofMessage = ofPlatformMessage(completed.message);
  return ofMessage ?? ended(reason ?? `its execution ${shortName(name)} failed${said(completed.message)}`);
}

/** Where Cloud Run's sentence says more than its codes. */
function ofPlatformMessage(message: string | null | undefined): Ended | undefined {
  if (/memory limit|out[ -]of[ -]memory/i.test(message ?? '')) {
    return ended(`its container used more memory than its size has${said(message)}`, { code: 'out_of_memory' });
  }
  if (/(maximum|configured|task) timeout/i.test(message ?? '')) return ended("it reached Cloud Run's own time limit");
  return undefined;
}

const sigkill = 9;

function endOfAttempt({ lastAttemptResult: attempt }: TaskOfExecution): Ended | undefined {
  if (attempt == null) return undefined;
  const ofMessage = ofPlatformMessage(attempt.status?.message);
  const signal = attempt.termSignal || (attempt.exitCode > 128 ? attempt.exitCode - 128 : 0);
  const exitCode = attempt.exitCode || (signal > 0 ? 128 + signal : 0);
  if (ofMessage !== undefined) return exitCode === 0 ? ofMessage : { ...ofMessage, exitCode };
  if (signal === sigkill)
    return ended('it was killed (signal 9), as happens where a container is out of memory', { exitCode });
  if (signal > 0) return ended(`it was ended by signal ${signal}`, { exitCode });
  if (exitCode === runnerExitCodes.tokenExpired) return ended('its token had expired before it began', { exitCode });
  if (exitCode === runnerExitCodes.storeRefused)
    return ended(`the bucket refused what its runner wrote (${setUpAgain})`, { exitCode });
  if (exitCode > 0) return ended(`its runner ended with exit code ${exitCode}`, { exitCode });
  return undefined;
}

/** Google's own sentence, on one line. */
function said(message: string | null | undefined): string {
  const text = (message ?? '').replace(/\s+/g, ' ').trim().slice(0, 300);
  return text === '' ? '' : ` (Cloud Run says: ${text})`;
}

function shortName(name: string): string {
  return name.slice(name.lastIndexOf('/') + 1);
}
