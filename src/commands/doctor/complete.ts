import type { Finding } from '../../contracts/sandbox.ts';

/** Whether nothing of it is missing. */
export function isComplete(findings: readonly Finding[]): boolean {
  return findings.every(({ state }) => state !== 'missing');
}
