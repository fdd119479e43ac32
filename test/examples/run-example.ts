import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

/** The path of a file or a folder of `examples/`. */
export function example(path: string): string {
  return fileURLToPath(new URL(`../../examples/${path}`, import.meta.url));
}

export interface Printed {
  stdout: string;
  stderr: string;
}

/** A program of the examples as a process of its own, with this environment alone. */
export function startExample(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const child: ChildProcessByStdio<null, Readable, Readable> = spawn(process.execPath, args, {
    env: { PATH: process.env.PATH ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const printed: Printed = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => (printed.stdout += chunk));
  child.stderr.on('data', (chunk) => (printed.stderr += chunk));
  return { child, printed };
}

const deadlineMs = 120_000;

/** The same to its end: exit code and what it printed. */
export async function runExample(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const { child, printed } = startExample(args, env);
  const deadline = setTimeout(() => child.kill('SIGKILL'), deadlineMs);
  const [exitCode] = await once(child, 'close');
  clearTimeout(deadline);
  return { exitCode, ...printed };
}
