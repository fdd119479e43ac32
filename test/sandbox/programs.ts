import { readFileSync } from 'node:fs';
import type { Attempt } from './harness.ts';

/** The attackers of `programs/`, ready to be tried. */

function source(name: string): Buffer {
  return readFileSync(new URL(`programs/${name}`, import.meta.url));
}

/** Reads everything there is, besides that these paths of the host, and says `{ canary: where }`. */
export function hunter(paths: readonly string[]): Pick<Attempt, 'argv' | 'files'> {
  return {
    argv: ['/usr/bin/python3', '/workspace/hunter.py', JSON.stringify(paths)],
    files: [{ path: 'hunter.py', content: source('hunter.py') }],
  };
}

/** Makes each of these calls, `[number, ...arguments]`, and says their errnos in order. */
export function calls(list: readonly (readonly number[])[]): Required<Pick<Attempt, 'argv' | 'files'>> {
  return {
    argv: ['/usr/bin/python3', '/workspace/calls.py', JSON.stringify(list)],
    files: [{ path: 'calls.py', content: source('calls.py') }],
  };
}
