import { z } from 'zod';
import { limits } from '../../contracts/limits.ts';
import { pathFault } from './files.ts';
import { boundedText, notEmpty, totalBytes } from './text.ts';

const listMax = 200;
const inputsMax = 50;

/** What lies below `input/` of the working directory. */
export const inputs = z
  .array(
    z.strictObject({
      name: z.string().regex(/^[\w][\w.-]{0,99}$/, 'is no plain name'),
      from: z.string().min(1).max(4096),
    }),
  )
  .max(inputsMax, `must hold at most ${inputsMax} inputs`)
  .refine((all) => new Set(all.map(({ name }) => name)).size === all.length, 'holds one name twice')
  .optional()
  .describe('Archives and folders, unpacked below input/NAME: sha256:HEX, https:// or a path of the server');
const globsMax = 100;

/** A name for the `claude` program: nothing that it could take for an option. */
export const modelName = z.string().regex(/^[\w][\w.:@/[\]-]{0,199}$/, 'is no name of a model');

export const toolNames = z
  .array(z.string().regex(/^[\w][^\0\r\n]{0,999}$/, 'is no name of a tool'))
  .max(listMax, `must hold at most ${listMax} names`);

export const shellCommands = z
  .array(
    notEmpty(boundedText(100_000, '100,000 bytes')).refine((line) => !line.includes('\0'), 'holds a NUL character'),
  )
  .max(listMax, `must hold at most ${listMax} commands`)
  .refine((lines) => totalBytes(lines) <= limits.wordsBytesMax, 'are larger than 1 MiB in all');

export const globs = z
  .array(
    z.string().check(({ value, issues }) => {
      const fault = pathFault(value);
      if (fault !== undefined) issues.push({ code: 'custom', message: fault, input: value });
    }),
  )
  .max(globsMax, `must hold at most ${globsMax} globs`);
