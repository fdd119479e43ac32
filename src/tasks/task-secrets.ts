import type { Caller } from '../contracts/caller.ts';
import type { McpServer } from '../contracts/claude-config.ts';
import { RunyardError } from '../contracts/errors.ts';
import { limits } from '../contracts/limits.ts';
import { refuseUndeclared } from '../contracts/secret-policy.ts';
import type { SecretDeclaration, Secrets } from '../contracts/secrets.ts';
import type { ClaudeSpec, TaskSpec } from '../contracts/task.ts';
import { targetOf } from '../lib/request-over.ts';

/** The operator's secrets, and what callers may use them for. */
export interface SecretSource {
  readonly secrets: Secrets;
  readonly secretDeclarations: readonly SecretDeclaration[];
}

/** Throws `forbidden` where the task names a secret that this caller may not bring into a sandbox, or to that MCP server. */
export function refuseSecrets({ secretDeclarations }: SecretSource, spec: TaskSpec, { owner }: Caller): void {
  if (spec.kind !== 'claude') return;
  for (const reference of distinct(spec.secrets)) refuseUndeclared(secretDeclarations, reference, 'env', { owner });
  for (const [, { secret, url }] of serversWithSecret(spec)) {
    refuseUndeclared(secretDeclarations, secret, 'mcp', { owner }, targetOf(new URL(url)));
  }
}

/** The spec with values in place of the references to secrets, each read now. Throws `secret_unavailable`. */
export async function withSecrets(source: SecretSource, spec: TaskSpec): Promise<TaskSpec> {
  if (spec.kind !== 'claude') return spec;
  const signal = AbortSignal.timeout(readingTimeoutMs);
  const [secrets, mcpServers] = await Promise.all([
    variables(source, spec, signal),
    mcpServersWithTokens(source, spec, signal),
  ]);
  return {
    ...spec,
    ...(secrets === undefined ? {} : { secrets }),
    ...(mcpServers === undefined ? {} : { config: { ...spec.config, mcpServers } }),
  };
}

// --- Internal helpers ---

/** Of all secrets of a task together. */
const readingTimeoutMs = 20_000;

async function variables({ secrets }: SecretSource, spec: ClaudeSpec, signal: AbortSignal) {
  if (spec.secrets === undefined) return undefined;
  const reading = distinct(spec.secrets).map(async (reference) => {
    const value = await secrets.read(reference, signal);
    refuseTooLong(reference, value);
    return [reference, value] as const;
  });
  const values = new Map(await Promise.all(reading));
  const resolved = Object.entries(spec.secrets).map(([name, reference]) => [name, values.get(reference)!] as const);
  refuseTooMuch([...resolved, ...Object.entries(spec.env)].flat());
  return Object.fromEntries(resolved);
}

async function mcpServersWithTokens({ secrets }: SecretSource, spec: ClaudeSpec, signal: AbortSignal) {
  const servers = serversWithSecret(spec);
  if (servers.length === 0) return undefined;
  const reading = servers.map(async ([name, server]): Promise<[string, McpServer]> => {
    const token = await secrets.read(server.secret, signal);
    refuseNoToken(server.secret, token);
    return [name, { ...server, secret: token }];
  });
  return { ...spec.config?.mcpServers, ...Object.fromEntries(await Promise.all(reading)) };
}

/** By name, those that are called with a secret. */
function serversWithSecret({ config }: ClaudeSpec) {
  return Object.entries(config?.mcpServers ?? {}).flatMap(([name, server]) =>
    'url' in server && server.secret !== undefined ? [[name, { ...server, secret: server.secret }] as const] : [],
  );
}

function distinct(references: Readonly<Record<string, string>> = {}): string[] {
  return [...new Set(Object.values(references))];
}

function refuseTooLong(reference: string, value: string): void {
  if (Buffer.byteLength(value) <= limits.wordBytesMax) return;
  throw new RunyardError(
    'secret_unavailable',
    `The value of ${reference} is larger than ${limits.wordBytesMax} bytes, which no variable of a program can hold.`,
    { hint: 'Ask the operator for a smaller one.' },
  );
}

/** What stands in one header after `Bearer`. */
const bearerToken = /^[\x21-\x7e]{1,8192}$/;

function refuseNoToken(reference: string, value: string): void {
  if (bearerToken.test(value)) return;
  throw new RunyardError(
    'secret_unavailable',
    `The value of ${reference} is no bearer token: one word of ASCII characters, of at most 8,192 bytes.`,
    { hint: 'Ask the operator to give it another value.' },
  );
}

function refuseTooMuch(words: readonly string[]): void {
  const bytes = words.reduce((sum, word) => sum + Buffer.byteLength(word), 0);
  if (bytes <= limits.wordsBytesMax) return;
  throw new RunyardError('invalid_request', 'secrets: together with env they are larger than 1 MiB.');
}
