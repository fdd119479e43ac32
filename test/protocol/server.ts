import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

/** The server's program, as a client's configuration would name it. */
export const program = {
  command: process.execPath,
  args: [fileURLToPath(new URL('../../src/main.ts', import.meta.url))],
};

/** A home of its own; walls of other users must reach the workspaces below it. */
export function makeHome(): string {
  const home = mkdtempSync(join(tmpdir(), 'runyard-protocol-'));
  chmodSync(home, 0o711);
  return home;
}

/** A runner that ends late may still be writing there. */
export function removeHome(home: string): void {
  rmSync(home, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
}

/** All that a server under test sees of this process's environment, besides what the test gives. */
export function environment(home: string, more: Readonly<Record<string, string>> = {}): Record<string, string> {
  return { PATH: process.env.PATH ?? '', RUNYARD_HOME: home, RUNYARD_WORK: join(home, 'work'), ...more };
}

export interface TestServer {
  readonly url: string;
  readonly home: string;
  readonly process: ChildProcess;
  /** The lines of the log so far. */
  readonly log: readonly string[];
  /** The token that the server left for its own user. */
  token(): string;
  /** SIGTERM, and the exit code. */
  stop(): Promise<number | null>;
}

export interface StartOptions {
  readonly home?: string;
  readonly host?: string;
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

const logLine = z.looseObject({ url: z.string().optional() });

/** `runyard serve --http` on a free port, once it listens. Rejects with what it printed where it does not. */
export async function startServer(options: StartOptions = {}): Promise<TestServer> {
  const { host = '127.0.0.1', flags = [], env = {}, home = makeHome() } = options;
  const child = spawn(program.command, [...program.args, 'serve', '--http', `${host}:0`, ...flags], {
    env: environment(home, env),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const log: string[] = [];
  const stdout: string[] = [];
  child.stdout?.on('data', (chunk: Buffer) => stdout.push(String(chunk)));
  const listening = Promise.withResolvers<string>();
  createInterface({ input: child.stderr! }).on('line', (line) => {
    log.push(line);
    const { url } = line.startsWith('{') ? logLine.parse(JSON.parse(line)) : {};
    if (url !== undefined) listening.resolve(url);
  });
  child.once('exit', (code) => listening.reject(new Error(`The server ended with ${code}: ${log.join('\n')}`)));
  return {
    url: await listening.promise,
    home,
    process: child,
    log,
    token: () => readFileSync(join(home, 'http-token'), 'utf8'),
    async stop() {
      if (child.exitCode === null) {
        child.kill('SIGTERM');
        await once(child, 'exit');
      }
      if (options.home === undefined) removeHome(home);
      if (stdout.length > 0) throw new Error(`The server printed on stdout: ${stdout.join('')}`);
      return child.exitCode;
    },
  };
}

/** A command to its end: exit code and what it printed. */
export async function runToEnd(args: readonly string[], env: Readonly<Record<string, string>>) {
  const child = spawn(program.command, [...program.args, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const printed = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => (printed.stdout += chunk));
  child.stderr.on('data', (chunk) => (printed.stderr += chunk));
  const deadline = setTimeout(() => child.kill('SIGKILL'), 50_000);
  const [exitCode] = await once(child, 'close');
  clearTimeout(deadline);
  return { exitCode, ...printed };
}
