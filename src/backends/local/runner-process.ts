import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { RunyardError } from '../../contracts/errors.ts';
import { type RunnerCall, type RunnerHint, runnerHint } from '../../contracts/runner-channel.ts';
import type { Logger } from '../../lib/logger.ts';
import { makeFolder } from '../../lib/make-folder.ts';

export interface RunnerProcessOptions {
  /** The runner's program, `dist/runner/main.js`. */
  readonly program: string;
  /** All of the runner's environment: where store, seal and programs are. */
  readonly env: Readonly<Record<string, string>>;
  /** What it prints goes there; it inherits its channel and nothing else. */
  readonly logFile: string;
  readonly onHint: (hint: RunnerHint) => void;
  readonly onGone: () => void;
  readonly log: Logger;
}

/** One runner, from its start to its end. */
export interface RunnerProcess {
  readonly pid: number;
  readonly alive: boolean;
  /** Resolves when the call was handed to the channel. */
  send(call: RunnerCall): Promise<void>;
  /** Lets go of it: it ends by itself when its last run has ended. */
  release(): void;
}

/**
 * A runner waits most of its life and mostly moves bytes: a small young generation and no top optimizer save a fifth of
 * its memory, and what it is asked for is not measurably slower.
 */
const smallProcess = ['--max-semi-space-size=1', '--no-opt'];

/**
 * Detached, so that it outlives this server. `spawn` and not execa: the child is not ours to wait for, and its channel
 * must not keep this process alive.
 */
export function startRunner(options: RunnerProcessOptions): RunnerProcess {
  makeFolder(dirname(options.logFile), 0o700);
  const logFd = openSync(options.logFile, 'a', 0o600);
  const child = spawn(process.execPath, [...smallProcess, options.program], {
    cwd: '/',
    detached: true,
    env: options.env,
    stdio: ['ignore', logFd, logFd, 'ipc'],
  });
  closeSync(logFd);
  hear(child, options);
  child.unref();
  child.channel?.unref();
  if (child.pid === undefined) {
    throw new RunyardError('backend_error', `The runner ${options.program} could not be started.`);
  }
  return {
    pid: child.pid,
    get alive() {
      return child.exitCode === null && child.signalCode === null && child.connected;
    },
    send: (call) => send(child, call),
    release: () => child.connected && child.disconnect(),
  };
}

function hear(child: ChildProcess, { onHint, onGone, log, logFile }: RunnerProcessOptions): void {
  child.on('message', (message) => {
    const hint = runnerHint.safeParse(message);
    if (hint.success) onHint(hint.data);
    else log.warn({ error: hint.error }, 'the runner said something that is no hint');
  });
  child.on('error', (error) => log.error({ error }, 'the runner could not be started or reached'));
  child.on('exit', (exitCode, signal) => {
    if (exitCode !== 0)
      log.warn({ exitCode, signal, logFile }, 'the runner ended; its tasks are settled or launched again');
    onGone();
  });
}

function send(child: ChildProcess, call: RunnerCall): Promise<void> {
  return new Promise((resolve, reject) => {
    child.send(call, (error) => {
      if (error === null) resolve();
      else reject(new RunyardError('backend_error', 'The runner could not be reached.', { cause: error }));
    });
  });
}
