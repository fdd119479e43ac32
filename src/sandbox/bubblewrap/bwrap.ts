// node:child_process and not execa: bwrap takes a uid and numbered descriptors, and nothing of what execa adds.
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, closeSync, constants, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { wallCommand } from './arguments.ts';
import { type OutputStream, outputStream } from './output-stream.ts';
import type { Slot } from './slot.ts';

/** bwrap as it was spawned: it waits for its arguments. */
export interface Bwrap {
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;
  /** Resolves only where `child.pid` is undefined. */
  readonly spawnError: Promise<NodeJS.ErrnoException>;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
}

export interface BwrapOptions {
  /** Paths of bwrap and of the system call filter. */
  readonly bwrap: string;
  readonly seccomp: string;
  /** Whether a listener will be handed out over Node's channel. */
  readonly door: boolean;
}

/** Our end of a descriptor that bwrap was given as a pipe. */
export function pipeOf(child: ChildProcess, descriptor: number): Socket {
  const pipe: unknown = Array.from(child.stdio)[descriptor];
  if (pipe instanceof Socket) return pipe;
  throw new Error(`bwrap was given no pipe as descriptor ${descriptor}`);
}

/**
 * Starts bwrap as the slot's own user, with an empty environment. Called on the main thread only: `--die-with-parent`
 * means the thread.
 */
export function spawnBwrap(slot: Slot, { bwrap, seccomp: filter, door }: BwrapOptions): Bwrap {
  const ours: number[] = [];
  const theirs: number[] = [];
  // At once and not through the thread pool: names that are known are opened in microseconds.
  const opened = (list: number[], path: string, flags: number) => void list.push(openSync(path, flags));
  try {
    for (const path of [slot.stdout, slot.stderr]) {
      // They belong to the wall's user, and the last program may have shut them against itself.
      chmodSync(path, 0o600);
      opened(ours, path, constants.O_RDONLY | constants.O_NONBLOCK);
      opened(theirs, path, constants.O_WRONLY);
    }
    opened(theirs, filter, constants.O_RDONLY);
    const [stdout, stderr, seccomp] = theirs;
    const child = spawn(bwrap, ['--args', '3', '--', ...wallCommand(slot.identity.name)], {
      argv0: 'bwrap',
      env: {},
      cwd: '/',
      ...slot.identity.switchTo,
      stdio: ['ignore', stdout, stderr, 'pipe', seccomp, slot.info.renew(), 'pipe', ...(door ? ['ipc' as const] : [])],
    });
    const spawnError = new Promise<NodeJS.ErrnoException>((resolve) => child.once('error', resolve));
    const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
    return { child, exited, spawnError, stdout: outputStream(ours.shift()!), stderr: outputStream(ours.shift()!) };
  } finally {
    for (const descriptor of [...ours, ...theirs]) closeSync(descriptor);
  }
}
