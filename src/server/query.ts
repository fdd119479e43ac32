import type { z } from 'zod';
import { RunyardError } from '../contracts/errors.ts';

/** What a query says. Throws `invalid_request` naming the first wrong parameter. */
export function parseQuery<Fields extends z.ZodObject>(query: URLSearchParams, fields: Fields): z.output<Fields> {
  const parsed = fields.safeParse(Object.fromEntries(query));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const name = issue?.code === 'unrecognized_keys' ? issue.keys[0] : issue?.path[0];
  const fault = issue?.code === 'unrecognized_keys' ? 'unknown parameter' : issue?.message;
  throw new RunyardError('invalid_request', `${String(name)}: ${fault}`);
}
