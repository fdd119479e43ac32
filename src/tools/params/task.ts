import { z } from 'zod';
import { taskId } from '../../contracts/ids.ts';
import { limits } from '../../contracts/limits.ts';
import { totalBytes, word, wordsBytesMax } from './text.ts';

/** Fields that several tools share. */

export const taskIdField = taskId;

export const runField = z.int().min(0).max(999).default(0);

export const envField = z
  .record(z.string(), word)
  .check(({ value, issues }) => {
    for (const name of Object.keys(value).filter((name) => !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))) {
      issues.push({ code: 'custom', message: 'is no name of an environment variable', path: [name], input: name });
    }
    if (totalBytes(Object.entries(value).flat()) > wordsBytesMax) {
      issues.push({ code: 'custom', message: 'is larger than 1 MiB in all', input: undefined });
    }
  })
  .default({});

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
