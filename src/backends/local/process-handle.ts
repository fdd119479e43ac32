import { z } from 'zod';
import type { Inspection } from '../../contracts/backend.ts';
import { RunyardError } from '../../contracts/errors.ts';
import type { Handle } from '../../contracts/task.ts';
import { ownTable, processIdentity } from '../../lib/process-identity.ts';

/** Names one process for good: a pid alone is given away again. */
const processHandle = z.strictObject({
  boot: z.string(),
  pidNamespace: z.string(),
  pid: z.int(),
  startTime: z.string(),
});

/** Undefined where the process has ended. */
export function handleOf(pid: number, table = ownTable()): Handle | undefined {
  const identity = processIdentity(pid, table);
  return identity === undefined ? undefined : { ...identity };
}

/** Another boot is `unknown`: what happened to the process then can never be learnt. */
export function inspectProcess(handle: Handle, table = ownTable()): Inspection {
  const { boot, pidNamespace, pid, startTime } = processHandle.parse(handle);
  const machine = table.machine();
  if (boot !== machine.boot) return { state: 'unknown', reason: 'the machine was started anew' };
  if (pidNamespace !== machine.pidNamespace) {
    throw new RunyardError(
      'backend_error',
      'The runner lives in another pid namespace, where it cannot be seen from here.',
    );
  }
  return table.startTime(pid) === startTime ? { state: 'alive' } : { state: 'ended', reason: 'its process is gone' };
}
