import { limits, sizes } from '../contracts/limits.ts';
import type { KillReason, WallEnd, WallLimits } from '../contracts/sandbox.ts';
import type { RunError, RunStatus, TaskRecord } from '../contracts/task.ts';

const GiB = 1024 ** 3;

export function wallLimits(task: TaskRecord): WallLimits {
  const { cpus, memoryBytes } = sizes[task.size];
  return {
    cpus,
    memoryBytes,
    processes: limits.processesMax,
    workspaceBytes: limits.workspaceBytesMax,
    workspaceInodes: limits.workspaceInodesMax,
  };
}

/** The status and the error of a run whose wall ended like this; no error where the program exited by itself. */
export function statusOfEnd(end: WallEnd, task: TaskRecord): { status: RunStatus; error?: RunError } {
  switch (end.cause) {
    case 'exited':
      return { status: end.exitCode === 0 ? 'succeeded' : 'failed' };
    case 'timed_out':
      return stopped('timed_out', task);
    case 'cancelled':
      return stopped('cancelled', task);
    case 'stopped':
      return stopped('stopped', task);
    case 'output_limit':
      return failed(
        'output_limit',
        `The run printed more than ${limits.eventsBytesMax / 1024 ** 2} MiB and was stopped.`,
      );
    case 'out_of_memory':
      return failed(
        'out_of_memory',
        `The run used more than its ${sizes[task.size].memoryBytes / GiB} GiB of memory and was stopped.`,
      );
    case 'disk_limit':
      return failed(
        'disk_limit',
        `The run used more than ${limits.workspaceBytesMax / GiB} GiB or ${limits.workspaceInodesMax} files of its workspace, or filled the disk below it, and was stopped.`,
      );
    case 'lost':
      return failed('runner_lost', 'The sandbox ended without a word about the program.');
  }
}

/** How a run ends that was stopped from outside, whether its program had begun or not. */
export function stopped(reason: KillReason, task: TaskRecord): { status: RunStatus; error: RunError } {
  switch (reason) {
    case 'timed_out':
      return {
        status: 'timed_out',
        error: {
          code: 'timed_out',
          message: `The run reached its time limit of ${task.timeoutSeconds} s and was stopped.`,
        },
      };
    case 'cancelled':
      return { status: 'cancelled', error: { code: 'cancelled', message: 'The task was cancelled.' } };
    case 'output_limit':
      return failed('output_limit', 'The run printed more than it may and was stopped.');
    case 'stopped':
      return failed('runner_lost', 'The runner was stopped before the run had ended.');
  }
}

function failed(code: RunError['code'], message: string): { status: 'failed'; error: RunError } {
  return { status: 'failed', error: { code, message } };
}
