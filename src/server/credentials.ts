import type { IncomingHttpHeaders } from 'node:http';
import { z } from 'zod';
import { type BroughtCredentials, broughtCredentials } from '../contracts/credentials.ts';
import { RunyardError } from '../contracts/errors.ts';
import { invalidRequest } from '../tools/invalid-request.ts';

/** What a caller brings along to be used in place of the server's own. Its values are never repeated. */

const bodyWithCredentials = z.looseObject({ credentials: broughtCredentials });

/** The tool's input and the credentials that stand beside its fields. Throws `invalid_request` naming the field. */
export function splitBody(body: unknown): { readonly input: unknown; readonly credentials?: BroughtCredentials } {
  if (typeof body !== 'object' || body === null || !Object.hasOwn(body, 'credentials')) return { input: body };
  const { data, error } = bodyWithCredentials.safeParse(body);
  if (error !== undefined) throw invalidRequest(error, body);
  const { credentials, ...input } = data;
  return { input, credentials };
}

const headers = {
  anthropic_api_key: 'X-Runyard-Anthropic-Key',
  anthropic_oauth_token: 'X-Runyard-Anthropic-OAuth-Token',
  github_token: 'X-Runyard-GitHub-Token',
} as const;
const isField = (name: unknown): name is keyof typeof headers =>
  typeof name === 'string' && Object.hasOwn(headers, name);

/** The credentials in the headers of an MCP request; an empty one is none. Throws `invalid_request` naming the header. */
export function credentialsOf(sent: IncomingHttpHeaders): BroughtCredentials | undefined {
  const given = Object.entries(headers).flatMap(([field, header]) => {
    const value = sent[header.toLowerCase()];
    return value === undefined || value === '' ? [] : [[field, value] as const];
  });
  if (given.length === 0) return undefined;
  const { data, error } = broughtCredentials.safeParse(Object.fromEntries(given));
  if (error === undefined) return data;
  const [issue] = error.issues;
  const [field] = issue?.path ?? [];
  const name = isField(field) ? headers[field] : 'X-Runyard-…';
  throw new RunyardError('invalid_request', `${name}: ${issue?.message}`);
}
