import type { z } from 'zod';
import { RunyardError } from '../contracts/errors.ts';

const issuesToldMax = 5;
const nameToldMax = 80;

/** One sentence a wrong field, each beginning with the field's own path. Values are never repeated. */
export function invalidRequest(error: z.ZodError, input: unknown): RunyardError {
  const told = error.issues.slice(0, issuesToldMax).map((issue) => sentenceOf(issue, input));
  const more = error.issues.length - told.length;
  return new RunyardError('invalid_request', told.join('; ') + (more > 0 ? `; and ${more} more` : ''));
}

function sentenceOf(issue: z.core.$ZodIssue, input: unknown): string {
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => `${pathOf([...issue.path, key])}: unknown field`).join('; ');
  const missing = valueAt(input, issue.path) === undefined;
  if (missing && issue.code === 'invalid_type') return `${pathOf(issue.path)}: is required`;
  if (missing && issue.code === 'invalid_value') return `${pathOf(issue.path)}: is required, ${plain(issue.message)}`;
  return `${pathOf(issue.path)}: ${plain(issue.message)}`;
}

/** `files[0].path`; the request itself is called `input`. */
export function pathOf(path: readonly PropertyKey[]): string {
  const text = path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`)).join('');
  return text === '' ? 'input' : text.replace(/^\./, '').toWellFormed().replace(unprintable, '?').slice(0, nameToldMax);
}

const unprintable = /\p{C}/gu;

function plain(message: string): string {
  return message.replace(/^Invalid (input|option): /, '');
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, step) => (typeof value === 'object' && value !== null ? Reflect.get(value, step) : undefined),
    input,
  );
}
