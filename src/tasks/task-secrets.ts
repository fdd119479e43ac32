import type { Caller } from '../contracts/caller.ts';
import { RunyardError } from '../contracts/errors.ts';
import { limits } from '../contracts/limits.ts';
import { refuseUndeclared } from '../contracts/secret-policy.ts';
import type { SecretDeclaration, Secrets } from '../contracts/secrets.ts';
import type { TaskSpec } from '../contracts/task.ts';

/** The operator's secrets, and what callers may use them for. */
export interface SecretSource {
  readonly secrets: Secrets;
  readonly secretDeclarations: readonly SecretDeclaration[];
}

/** Throws `forbidden` where the task names a secret that this caller may not bring into a sandbox. */
export function refuseSecrets({ secretDeclarations }: SecretSource, spec: TaskSpec, { owner }: Caller): void {
  if (spec.kind !== 'claude') return;
  for (const reference of distinct(spec.secrets)) refuseUndeclared(secretDeclarations, reference, 'env', { owner });
}

/** The spec with values in place of the references to secrets, each read now. Throws `secret_unavailable`. */
export async function withSecrets({ secrets }: SecretSource, spec: TaskSpec): Promise<TaskSpec> {
  if (spec.kind !== 'claude' || spec.secrets === undefined) return spec;
  const signal = AbortSignal.timeout(readingTimeoutMs);
  const reading = distinct(spec.secrets).map(async (reference) => {
    const value = await secrets.read(reference, signal);
    refuseTooLong(reference, value);
    return [reference, value] as const;
  });
  const values = new Map(await Promise.all(reading));
  const resolved = Object.entries(spec.secrets).map(([name, reference]) => [name, values.get(reference)!] as const);
  refuseTooMuch([...resolved, ...Object.entries(spec.env)].flat());
  return { ...spec, secrets: Object.fromEntries(resolved) };
}

// --- Internal helpers ---

/** Of all secrets of a task together. */
const readingTimeoutMs = 20_000;

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

function refuseTooMuch(words: readonly string[]): void {
  const bytes = words.reduce((sum, word) => sum + Buffer.byteLength(word), 0);
  if (bytes <= limits.wordsBytesMax) return;
  throw new RunyardError('invalid_request', 'secrets: together with env they are larger than 1 MiB.');
}
