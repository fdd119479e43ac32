import type { protos } from '@google-cloud/run';
import type { Execution, Executions } from './cloud-run-executions.ts';
import type { Operations } from './cloud-run-operations.ts';
import { executionOnWire, taskOnWire } from './cloud-run-wire.ts';
import { failedPrecondition, invalidArgument, notFound } from './failure.ts';
import type { RpcMethod } from './rpc.ts';

type Named = { name?: string | null };

/** What can be asked of executions, and what ends them. */
export function executionMethods(executions: Executions, at: (name: string) => Execution, operations: Operations) {
  const needs =
    (permission: string) =>
    ({ name }: Named) => ({ permission, resource: name! });
  const GetExecution: RpcMethod<Named, object> = {
    needs: needs('run.executions.get'),
    handle: ({ name }) => executionOnWire(at(name!)),
  };
  const ListExecutions: RpcMethod<protos.google.cloud.run.v2.IListExecutionsRequest, object> = {
    needs: ({ parent }) => ({ permission: 'run.executions.list', resource: parent! }),
    handle({ parent, pageSize, pageToken }) {
      const found = [...executions.all.values()].filter(({ spec }) => parent!.endsWith('/-') || spec.job === parent);
      const { items, nextPageToken } = pageOf(found.reverse(), pageSize, pageToken);
      return { executions: items.map(executionOnWire), nextPageToken };
    },
  };
  const CancelExecution: RpcMethod<Named, protos.google.longrunning.IOperation> = {
    needs: needs('run.executions.cancel'),
    handle({ name }) {
      const execution = at(name!);
      if (execution.completedMs !== undefined)
        throw failedPrecondition(`Execution ${name} has already completed and cannot be cancelled.`);
      executions.cancel(execution);
      return operations.ofExecution(execution);
    },
  };
  const DeleteExecution: RpcMethod<Named, protos.google.longrunning.IOperation> = {
    needs: needs('run.executions.delete'),
    handle({ name }) {
      const execution = at(name!);
      const shown = executionOnWire(execution);
      executions.remove(execution);
      return operations.done('Execution', shown);
    },
  };
  return { GetExecution, ListExecutions, CancelExecution, DeleteExecution };
}

export function taskMethods(at: (name: string) => Execution) {
  const ListTasks: RpcMethod<protos.google.cloud.run.v2.IListTasksRequest, object> = {
    needs: ({ parent }) => ({ permission: 'run.tasks.list', resource: parent! }),
    handle({ parent, pageSize, pageToken }) {
      const execution = at(parent!);
      const { items, nextPageToken } = pageOf(execution.tasks, pageSize, pageToken);
      return { tasks: items.map((task) => taskOnWire(execution, task)), nextPageToken };
    },
  };
  const GetTask: RpcMethod<Named, object> = {
    needs: ({ name }) => ({ permission: 'run.tasks.get', resource: name! }),
    handle({ name }) {
      const execution = at(name!.split('/tasks/')[0]!);
      const task = execution.tasks.find(({ index }) => name!.endsWith(`-task${index}`));
      if (task === undefined) throw notFound(`Resource '${name}' of kind 'TASK' does not exist.`);
      return taskOnWire(execution, task);
    },
  };
  return { ListTasks, GetTask };
}

// --- Internal helpers ---

/** However many are asked for, this is what one page holds. */
const pageItemsMax = 100;

function pageOf<T>(all: readonly T[], pageSize: number | null | undefined, pageToken: string | null | undefined) {
  const from = pageToken ? Number(Buffer.from(pageToken, 'base64').toString()) : 0;
  if (!Number.isInteger(from)) throw invalidArgument('Invalid page token.');
  const to = from + Math.min(pageSize || pageItemsMax, pageItemsMax);
  const nextPageToken = to < all.length ? Buffer.from(String(to)).toString('base64') : '';
  return { items: all.slice(from, to), nextPageToken };
}
