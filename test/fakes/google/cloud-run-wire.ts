import type { protos } from '@google-cloud/run';
import { type Execution, type ExecutionTask, shortName } from './cloud-run-executions.ts';

type IExecution = protos.google.cloud.run.v2.IExecution;
type ITask = protos.google.cloud.run.v2.ITask;
type ICondition = protos.google.cloud.run.v2.ICondition;

/** Executions and their tasks as Cloud Run shows them. */

export function executionOnWire(execution: Execution): IExecution {
  const { name, uid, spec, tasks, createdMs, startedMs, completedMs, plan } = execution;
  const count = (state: ExecutionTask['state']) => tasks.filter((task) => task.state === state).length;
  return {
    name,
    uid,
    creator: 'server@a-project.iam.gserviceaccount.com',
    generation: '1',
    job: shortName(spec.job),
    parallelism: spec.taskCount,
    taskCount: spec.taskCount,
    createTime: timestamp(createdMs),
    ...(startedMs === undefined ? {} : { startTime: timestamp(startedMs) }),
    ...(completedMs === undefined ? {} : { completionTime: timestamp(completedMs) }),
    updateTime: timestamp(Date.now()),
    reconciling: completedMs === undefined,
    runningCount: count('running'),
    succeededCount: count('succeeded'),
    failedCount: count('failed'),
    cancelledCount: count('cancelled'),
    conditions: conditionsOf(execution),
    template: {
      containers: [{ image: spec.image, env: Object.entries(spec.env).map(([key, value]) => ({ name: key, value })) }],
      maxRetries: spec.maxRetries,
      timeout: { seconds: spec.timeoutMs / 1000 },
    },
    logUri: `https://console.cloud.google.com/logs/viewer?execution=${shortName(name)}`,
    etag: `"${shortName(name)}"`,
    ...plan.pretend,
  };
}

export function taskOnWire(execution: Execution, task: ExecutionTask): ITask {
  const { index, attempt, state, startedMs, completedMs } = task;
  return {
    name: `${execution.name}/tasks/${shortName(execution.name)}-task${index}`,
    job: shortName(execution.spec.job),
    execution: shortName(execution.name),
    index,
    retried: attempt,
    maxRetries: execution.spec.maxRetries,
    createTime: timestamp(execution.createdMs),
    ...(startedMs === undefined ? {} : { startTime: timestamp(startedMs) }),
    ...(completedMs === undefined ? {} : { completionTime: timestamp(completedMs) }),
    reconciling: completedMs === undefined,
    conditions: [
      execution.plan.failsToStart === undefined ? taskCondition(state, task) : completedCondition(execution),
    ],
    ...(startedMs !== undefined && (state === 'failed' || state === 'succeeded')
      ? { lastAttemptResult: attemptResult(task) }
      : {}),
  };
}

// --- Internal helpers ---

const grpcInternal = 13;

function attemptResult({ state, exitCode, termSignal, message }: ExecutionTask) {
  return {
    status: state === 'succeeded' ? {} : { code: grpcInternal, message: message ?? '' },
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(termSignal === undefined ? {} : { termSignal }),
  };
}

function taskCondition(state: ExecutionTask['state'], { message }: ExecutionTask): ICondition {
  switch (state) {
    case 'pending':
      return { type: 'Completed', state: 'CONDITION_PENDING' };
    case 'running':
      return { type: 'Completed', state: 'CONDITION_RECONCILING' };
    case 'succeeded':
      return { type: 'Completed', state: 'CONDITION_SUCCEEDED' };
    case 'cancelled':
      return { type: 'Completed', state: 'CONDITION_FAILED', executionReason: 'CANCELLED' };
    case 'failed':
      return {
        type: 'Completed',
        state: 'CONDITION_FAILED',
        executionReason: 'NON_ZERO_EXIT_CODE',
        message: message ?? '',
      };
  }
}

function conditionsOf(execution: Execution): ICondition[] {
  const started: ICondition = {
    type: 'Started',
    state: execution.startedMs === undefined ? 'CONDITION_RECONCILING' : 'CONDITION_SUCCEEDED',
  };
  return [completedCondition(execution), started];
}

function completedCondition({ completedMs, cancelling, tasks, startedMs, plan, name }: Execution): ICondition {
  const type = 'Completed';
  if (completedMs === undefined) {
    if (cancelling) return { type, state: 'CONDITION_RECONCILING', executionReason: 'CANCELLING' };
    return { type, state: startedMs === undefined ? 'CONDITION_PENDING' : 'CONDITION_RECONCILING' };
  }
  const lastTransitionTime = timestamp(completedMs);
  if (plan.failsToStart !== undefined) {
    const reason = plan.failsToStart as NonNullable<ICondition['reason']>;
    return { type, state: 'CONDITION_FAILED', reason, message: `It failed: ${plan.failsToStart}.`, lastTransitionTime };
  }
  if (tasks.some(({ state }) => state === 'cancelled')) {
    const message = `Execution ${shortName(name)} has been cancelled.`;
    return { type, state: 'CONDITION_FAILED', executionReason: 'CANCELLED', message, lastTransitionTime };
  }
  const failed = tasks.find(({ state }) => state === 'failed');
  if (failed === undefined) return { type, state: 'CONDITION_SUCCEEDED', lastTransitionTime };
  const message = `Task ${shortName(name)}-task${failed.index} failed with message: ${failed.message ?? 'The container was terminated.'}`;
  return { type, state: 'CONDITION_FAILED', executionReason: 'NON_ZERO_EXIT_CODE', message, lastTransitionTime };
}

export function timestamp(ms: number) {
  return { seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1e6 };
}
