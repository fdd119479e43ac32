import { z } from 'zod';
import type { Backend, Inspection } from '../../contracts/backend.ts';
import type { CloudPlace } from '../../contracts/cloud.ts';
import { RunyardError } from '../../contracts/errors.ts';
import type { TaskId } from '../../contracts/ids.ts';
import { patiently, statusOfFailure } from '../../lib/google.ts';
import type { Logger } from '../../lib/logger.ts';
import { createClients } from './clients.ts';
import {
  type ExecutionRecord,
  executionRecord,
  inspectionOfExecution,
  inspectionOfTask,
  type TaskOfExecution,
  taskOfExecution,
} from './conditions.ts';
import { type Asked, cloudRunFailure } from './failures.ts';
import { executionHandle } from './handle.ts';
import { jobName, past409, runJobRequest } from './launch.ts';
import { createLooks, type ExecutionLook } from './looks.ts';
import { createQuota } from './quota.ts';

export interface CloudRunOptions {
  readonly place: CloudPlace;
  /** A token that reads this task, and nothing else, in the bucket. */
  readonly mintToken: (task: TaskId) => Promise<string>;
  readonly log: Logger;
}

export interface CloudRunBackend extends Backend {
  /** Loads the client and opens its connection ahead of need. */
  warm(): Promise<void>;
}

const callTimeoutMs = 20_000;
/** What changes nothing, or the same thing twice, is tried again for this long. */
const patienceMs = 8000;
/** A task of many runs cancels each of them; the first one ends them all. */
const cancelledForMs = 10_000;

/** A launch is one RunJob on the job of the task's size, with one task of the execution for each run. */
export function createCloudRunBackend({ place, mintToken, log }: CloudRunOptions): CloudRunBackend {
  const clients = createClients(place);
  const quota = createQuota();
  const cancelled = new Map<string, number>();

  const readExecution = async (name: string): Promise<ExecutionRecord | undefined> => {
    const executions = await clients.executions();
    try {
      const [execution] = await patiently(() => executions.getExecution({ name }, { timeout: callTimeoutMs }), {
        withinMs: patienceMs,
      });
      return parse(executionRecord, execution, name);
    } catch (error) {
      if (statusOfFailure(error) === 404) return undefined;
      throw await cloudRunFailure(error, asks.look(name), place);
    }
  };

  const readTasks = async (name: string): Promise<TaskOfExecution[]> => {
    const tasks = await clients.tasks();
    try {
      const [found] = await patiently(() => tasks.listTasks({ parent: name }, { timeout: callTimeoutMs }), {
        withinMs: patienceMs,
      });
      return parse(z.array(taskOfExecution), found, name);
    } catch (error) {
      throw await cloudRunFailure(error, asks.list(name), place);
    }
  };

  const look = async (name: string): Promise<ExecutionLook> => {
    const execution = await readExecution(name);
    const tasks = execution !== undefined && someTaskFailed(execution) ? await readTasks(name) : [];
    return { execution, tasks: new Map(tasks.map((task) => [task.index, task])) };
  };
  const looks = createLooks(look);

  return {
    id: 'cloud-run',

    async warm() {
      const jobs = await clients.jobs();
      const name = jobName(place, 'small');
      await jobs.getJob({ name }, { timeout: callTimeoutMs }).catch(async (error: unknown) => {
        throw await cloudRunFailure(error, asks.read(name), place);
      });
    },

    async launch(task) {
      quota.refuseWhileClosed();
      const [jobs, token] = await Promise.all([clients.jobs(), mintToken(task.id)]);
      const request = runJobRequest(place, task, token);
      try {
        const [operation] = await past409(() => jobs.runJob(request, { timeout: callTimeoutMs }));
        const { name } = parse(executionRecord, operation.metadata, task.id);
        log.info({ task: task.id, execution: name }, 'a task was launched');
        return { execution: executionHandle.parse({ execution: name }).execution };
      } catch (error) {
        const failure = await cloudRunFailure(error, asks.run(jobName(place, task.size)), place);
        log.warn({ task: task.id, error: failure }, 'a task could not be launched');
        if (statusOfFailure(error) === 429) quota.close(failure);
        throw failure;
      }
    },

    async inspect(handle, run) {
      const { execution: name, task = run } = executionHandle.parse(handle);
      const { execution, tasks } = await looks.at(name);
      if (execution === undefined) return goneForEver;
      const ofTask = task === undefined ? firstEnded(tasks, name) : inspected(tasks.get(task), name);
      const ofExecution = inspectionOfExecution(execution);
      // Of many tasks one may end long before the execution does.
      if (task === undefined && ofExecution.state === 'alive') return ofExecution;
      return ofTask ?? ofExecution;
    },

    async cancel(handle) {
      const { execution: name } = executionHandle.parse(handle);
      if (Date.now() - (cancelled.get(name) ?? 0) < cancelledForMs) return;
      const executions = await clients.executions();
      try {
        await patiently(() => executions.cancelExecution({ name }, { timeout: callTimeoutMs }), {
          withinMs: patienceMs,
        });
      } catch (error) {
        if (!(await hasEnded(name, error))) throw await cloudRunFailure(error, asks.cancel(name), place);
      }
      for (const [each, atMs] of cancelled) if (Date.now() - atMs > cancelledForMs) cancelled.delete(each);
      cancelled.set(name, Date.now());
    },

    close: () => clients.close(),
  };

  /** Cloud Run refuses to cancel what has ended. */
  async function hasEnded(name: string, refusal: unknown): Promise<boolean> {
    const status = statusOfFailure(refusal);
    if (status === 404) return true;
    if (status !== 400 && status !== 409) return false;
    const execution = await readExecution(name);
    return execution === undefined || inspectionOfExecution(execution).state !== 'alive';
  }
}

const goneForEver: Inspection = {
  state: 'unknown',
  reason: 'its execution is gone from Cloud Run: deleted by hand, or older than what Cloud Run keeps',
};

function someTaskFailed({ failedCount, cancelledCount, succeededCount, taskCount }: ExecutionRecord): boolean {
  return failedCount + cancelledCount > 0 || (taskCount > 1 && succeededCount > 0);
}

function inspected(task: TaskOfExecution | undefined, name: string): Inspection | undefined {
  return task === undefined ? undefined : inspectionOfTask(task, name);
}

/** Tells more of a failed execution than the execution itself. */
function firstEnded(tasks: ReadonlyMap<number, TaskOfExecution>, name: string): Inspection | undefined {
  for (const task of tasks.values()) {
    const inspection = inspectionOfTask(task, name);
    if (inspection?.state === 'ended' && inspection.exitCode !== 0) return inspection;
  }
  return undefined;
}

const asks = {
  run: (resource: string): Asked => ({
    verb: 'run',
    resource,
    permission: 'run.jobs.runWithOverrides',
    role: 'roles/run.jobsExecutorWithOverrides',
  }),
  read: (resource: string): Asked => ({
    verb: 'read',
    resource,
    permission: 'run.jobs.get',
    role: 'roles/run.viewer',
  }),
  look: (resource: string): Asked => ({
    verb: 'look at',
    resource,
    permission: 'run.executions.get',
    role: 'roles/run.viewer',
  }),
  list: (resource: string): Asked => ({
    verb: 'list the tasks of',
    resource,
    permission: 'run.tasks.list',
    role: 'roles/run.viewer',
  }),
  cancel: (resource: string): Asked => ({
    verb: 'cancel',
    resource,
    permission: 'run.executions.cancel',
    role: 'roles/run.jobsExecutorWithOverrides',
  }),
};

function parse<T>(schema: z.ZodType<T>, answer: unknown, name: string): T {
  const { success, data, error } = schema.safeParse(answer);
  if (success) return data;
  throw new RunyardError('backend_error', `What Cloud Run says of ${name} is not what it is known to say.`, {
    cause: error,
  });
}
