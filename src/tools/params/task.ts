import { z } from 'zod';
import { taskId } from '../../contracts/ids.ts';
import { limits } from '../../contracts/limits.ts';
import { secretReference } from '../../contracts/secrets.ts';
import { size } from '../../contracts/task.ts';
import { totalBytes, word } from './text.ts';

/** Fields that several tools share. */

export const taskIdField = taskId;

export const runField = z
  .int()
  .min(0)
  .max(limits.runsMax - 1);

export const runsField = z
  .int()
  .min(1)
  .max(limits.runsMax)
  .default(1)
  .describe('How often to run it, each in its own sandbox, told apart by $RUNYARD_RUN');

export const sizeField = size.default('small').describe('1, 2 or 8 CPUs with 2, 8 or 32 GiB');

/** Why this cannot be the name of a variable that a caller sets; undefined where it can. */
export function environmentNameFault(name: string): string | undefined {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return 'is no name of an environment variable';
  return name.startsWith('RUNYARD_') ? 'is set by Runyard alone' : undefined;
}

export const envField = z
  .record(z.string(), word)
  .check(({ value, issues }) => {
    for (const name of Object.keys(value)) {
      const fault = environmentNameFault(name);
      if (fault !== undefined) issues.push({ code: 'custom', message: fault, path: [name], input: name });
    }
    if (totalBytes(Object.entries(value).flat()) > limits.wordsBytesMax) {
      issues.push({ code: 'custom', message: 'is larger than 1 MiB in all', input: undefined });
    }
  })
  .default({});

const secretsMax = 50;

/** Variables of a program from the operator's secrets. A value in place of a reference is refused unread. */
export const secretsField = z
  .record(z.string(), z.string().max(300))
  .check(({ value, issues }) => {
    for (const [name, reference] of Object.entries(value)) {
      const fault = secretReference.test(reference)
        ? environmentNameFault(name)
        : 'is no reference such as env:NAME or secret-manager:NAME';
      if (fault !== undefined) issues.push({ code: 'custom', message: fault, path: [name], input: name });
    }
    if (Object.keys(value).length > secretsMax)
      issues.push({ code: 'custom', message: `holds more than ${secretsMax} names`, input: undefined });
  })
  .optional()
  .describe('Variables by reference to a secret that the operator declared, such as "env:NPM_TOKEN"; never a value');

export const waitSecondsField = z.int().min(0).max(limits.waitSecondsMax);

export const startWaitSecondsField = waitSecondsField
  .default(limits.waitSecondsDefault)
  .describe('Answer after this long, finished or not');

export function timeoutSecondsField(defaultSeconds: number) {
  return z.int().min(1).max(limits.timeoutSecondsMax).default(defaultSeconds);
}

export const idempotencyKeyField = z
  .string()
  .min(1)
  .max(256)
  .optional()
  .describe('The same key with the same request gives the same task');
