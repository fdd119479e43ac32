import { randomBytes, randomUUID } from 'node:crypto';
import { constants } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { Container, ContainerEnd, Containers } from './cloud-run-containers.ts';

/** Executions from RunJob to their last task. What they look like on the wire stands in `cloud-run-wire.ts`. */

export interface Execution {
  /** `projects/P/locations/R/jobs/J/executions/E`. */
  readonly name: string;
  readonly uid: string;
  readonly spec: ExecutionSpec;
  readonly createdMs: number;
  startedMs?: number;
  completedMs?: number;
  cancelling: boolean;
  readonly tasks: readonly ExecutionTask[];
  readonly plan: ExecutionPlan;
}

export interface ExecutionSpec {
  /** `projects/P/locations/R/jobs/J`. */
  readonly job: string;
  readonly taskCount: number;
  readonly timeoutMs: number;
  readonly maxRetries: number;
  readonly image: string;
  /** Of the Job, with the overrides merged in. */
  readonly env: Readonly<Record<string, string>>;
}

export interface ExecutionTask {
  readonly index: number;
  attempt: number;
  state: 'pending' | 'running' | 'succeeded' | 'failed' | 'cancelled';
  startedMs?: number;
  completedMs?: number;
  exitCode?: number;
  termSignal?: number;
  /** Why it failed, in the platform's words. */
  message?: string;
  container?: Container;
}

/** What becomes of the next execution, besides what its program does. */
export interface ExecutionPlan {
  readonly startDelayMs?: number;
  /** Nothing of it is started before. */
  readonly startsAfter?: Promise<unknown>;
  /** Nothing of it is ever started. */
  readonly neverStarts?: boolean;
  /** It fails before anything is started, for a reason such as `CONTAINER_MISSING`. */
  readonly failsToStart?: string;
  /** It was made so long before now. */
  readonly createdSecondsAgo?: number;
  /** What its records say instead of the truth. */
  readonly pretend?: Record<string, unknown>;
}

export interface Executions {
  readonly all: ReadonlyMap<string, Execution>;
  run(spec: ExecutionSpec, plan: ExecutionPlan): Execution;
  cancel(execution: Execution): void;
  /** As an outage does: SIGKILL, without a word. */
  kill(execution: Execution, index: number): void;
  /** As the platform does where a container uses more memory than it has. */
  killForMemory(execution: Execution, index: number): void;
  remove(execution: Execution): void;
  logOf(execution: Execution, index: number): string;
}

export function createExecutions(containers: Containers): Executions {
  const all = new Map<string, Execution>();

  const completeIfDone = (execution: Execution) => {
    if (execution.tasks.every(({ state }) => state !== 'pending' && state !== 'running'))
      execution.completedMs ??= Date.now();
  };

  const begin = (execution: Execution, task: ExecutionTask) => {
    if (task.state !== 'pending') return;
    const { spec } = execution;
    const env = { ...spec.env, ...platformEnv(execution, task) };
    const onStarted = () => {
      task.state = 'running';
      task.startedMs = Date.now();
      execution.startedMs ??= Date.now();
      timeout.refresh();
    };
    const container = containers.start(containerName(execution, task.index, task.attempt), env, onStarted);
    task.container = container;
    const timeout = setTimeout(() => {
      task.message = `Terminating task because it has reached the maximum timeout of ${spec.timeoutMs / 1000} seconds. To change this limit, see https://cloud.google.com/run/docs/configuring/task-timeout`;
      container.stop();
    }, spec.timeoutMs);
    container.ended.then((end) => {
      clearTimeout(timeout);
      settle(execution, task, end);
    });
  };

  const settle = (execution: Execution, task: ExecutionTask, end: ContainerEnd) => {
    if ('exitCode' in end) task.exitCode = end.exitCode;
    if ('signal' in end) task.termSignal = constants.signals[end.signal];
    const succeeded = task.exitCode === 0 && task.message === undefined;
    if (!succeeded && !execution.cancelling && task.attempt < execution.spec.maxRetries) {
      for (const field of ['exitCode', 'termSignal', 'message', 'startedMs'] as const) delete task[field];
      task.attempt++;
      task.state = 'pending';
      return begin(execution, task);
    }
    task.completedMs = Date.now();
    if (succeeded) task.state = 'succeeded';
    else if (execution.cancelling) task.state = 'cancelled';
    else {
      task.state = 'failed';
      if (task.termSignal === undefined) task.message ??= 'The container exited with an error.';
    }
    completeIfDone(execution);
  };

  const failAtOnce = (execution: Execution) => {
    for (const task of execution.tasks) {
      task.state = 'failed';
      task.completedMs = Date.now();
    }
    completeIfDone(execution);
  };

  return {
    all,
    run(spec, plan) {
      const suffix = randomBytes(8).toString('hex').slice(0, 5);
      const execution: Execution = {
        name: `${spec.job}/executions/${shortName(spec.job)}-${suffix}`,
        uid: randomUUID(),
        spec,
        createdMs: Date.now() - (plan.createdSecondsAgo ?? 0) * 1000,
        cancelling: false,
        tasks: Array.from({ length: spec.taskCount }, (_, index) => ({ index, attempt: 0, state: 'pending' as const })),
        plan,
      };
      all.set(execution.name, execution);
      if (plan.failsToStart !== undefined) failAtOnce(execution);
      else if (plan.neverStarts !== true)
        void Promise.all([plan.startsAfter, delay(plan.startDelayMs ?? 0, undefined, { ref: false })]).then(() => {
          for (const task of execution.tasks) begin(execution, task);
        });
      return execution;
    },
    cancel(execution) {
      execution.cancelling = true;
      for (const task of execution.tasks) {
        if (task.container !== undefined) task.container.stop();
        else Object.assign(task, { state: 'cancelled', completedMs: Date.now() });
      }
      completeIfDone(execution);
    },
    kill: (execution, index) => execution.tasks[index]!.container!.kill(),
    killForMemory(execution, index) {
      const task = execution.tasks[index]!;
      task.message =
        'Memory limit of 2048 MiB exceeded with 2101 MiB used. Consider increasing the memory limit, see https://cloud.google.com/run/docs/configuring/memory-limits';
      task.container!.kill();
    },
    remove(execution) {
      for (const { container } of execution.tasks) container?.kill();
      all.delete(execution.name);
    },
    logOf: (execution, index) => containers.logOf(containerName(execution, index, execution.tasks[index]!.attempt)),
  };
}

export function shortName(name: string): string {
  return name.slice(name.lastIndexOf('/') + 1);
}

// --- Internal helpers ---

function platformEnv({ name, spec }: Execution, { index, attempt }: ExecutionTask): Record<string, string> {
  return {
    CLOUD_RUN_JOB: shortName(spec.job),
    CLOUD_RUN_EXECUTION: shortName(name),
    CLOUD_RUN_TASK_INDEX: String(index),
    CLOUD_RUN_TASK_COUNT: String(spec.taskCount),
    CLOUD_RUN_TASK_ATTEMPT: String(attempt),
  };
}

function containerName({ name }: Execution, index: number, attempt: number): string {
  return `${shortName(name)}-task${index}-${attempt}`;
}
