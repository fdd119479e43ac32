// node:child_process and not execa: the launcher's program gets a session of its own and is killed with all of it.
import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';

/** The launcher's program at work: it lives as long as the sandbox it was started for. */
export interface LauncherProcess {
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** Undefined where it could not be started. */
  readonly pid: number | undefined;
  /** Resolves at its end, with why it could not be started where it could not. */
  readonly exited: Promise<NodeJS.ErrnoException | undefined>;
  /** The end of what it said itself, without what it says of every network it takes down. */
  lastWords(): string;
  /** Kills it and what it started on this side of the wall. */
  kill(): void;
  /** Lets go of the pipes, whoever still holds their other end. */
  letGo(): void;
}

/** Of a program that is found by its path alone: nothing of our own environment. */
const environment = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/' };
const wordsKept = 4096;

export function startLauncher(path: string, args: readonly string[]): LauncherProcess {
  const child = spawn(path, args, { env: environment, cwd: '/', detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
  // First of all: without a descriptor left there are no pipes either, and the error would end the whole runner.
  const exited = new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
    child.once('exit', () => resolve(undefined));
    child.once('error', resolve);
  });
  const { stdin, stdout, stderr } = child;
  const words = { said: '' };
  stderr.setEncoding('utf8').on('data', (text: string) => {
    words.said = (words.said + text).slice(-wordsKept);
  });
  // A sandbox that ends early closes its stdin; its end is told by `exited`.
  for (const stream of [stdin, stdout, stderr]) stream.on('error', () => stream.destroy());
  return {
    stdin,
    stdout,
    pid: child.pid,
    exited,
    lastWords: () => withoutNoise(words.said),
    kill: () => killGroup(child),
    letGo: () => {
      for (const stream of [stdin, stdout, stderr]) stream.destroy();
    },
  };
}

/** Known to hang after it has done its work, and to exit with 0 where it did nothing: its end proves nothing. */
const deleteTimeoutMs = 10_000;

/** Runs a short command of the launcher to its end, or to the deadline, when it is killed. Never rejects. */
export async function launcherDoes(path: string, args: readonly string[]): Promise<void> {
  const deadline = new AbortController();
  try {
    const launcher = startLauncher(path, args);
    launcher.stdin.end();
    launcher.stdout.resume();
    const late = delay(deleteTimeoutMs, undefined, { signal: deadline.signal, ref: false }).catch(() => undefined);
    await Promise.race([launcher.exited, late]);
    launcher.kill();
    launcher.letGo();
  } catch {
    // It could not be started, for want of descriptors: its sandbox ends with its own program, whom others kill.
  } finally {
    deadline.abort();
  }
}

const noise = /network namespace|netns|teardown|tearing down/i;

function withoutNoise(said: string): string {
  return said
    .split('\n')
    .filter((line) => line.trim() !== '' && !noise.test(line))
    .join('\n');
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // All of it is gone.
  }
}
