import { RunyardError } from '../contracts/errors.ts';

/** The name in a reference of this scheme. */
export function nameIn(reference: string, scheme: string): string {
  const name = reference.slice(scheme.length);
  if (reference.startsWith(scheme) && /^[A-Za-z0-9_-]{1,255}$/.test(name)) return name;
  throw new RunyardError('secret_unavailable', 'A secret reference is env:NAME or secret-manager:NAME.', {
    hint: 'Correct the reference in the call, or in RUNYARD_SECRETS.',
  });
}

/** The value without the newlines that editors and `echo` leave at its end. */
export function usableValue(reference: string, text: string): string {
  const value = text.replace(/[\r\n]+$/, '');
  if (value === '') throw unusable(reference, 'empty');
  if (value.includes('\0')) throw unusable(reference, 'no text: it holds a NUL character');
  return value;
}

export function unusable(reference: string, why: string): RunyardError {
  return new RunyardError('secret_unavailable', `The value of ${reference} is ${why}.`, {
    hint: 'Ask the operator to give it another value.',
  });
}
