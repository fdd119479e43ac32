// node:child_process and not execa: bwrap takes a uid and numbered descriptors, and nothing of what execa adds.
import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, close, constants, open } from 'node:fs';
import { Socket } from 'node:net';
import { promisify } from 'node:util';
import { wallCommand } from './arguments.ts';
import { type OutputStream, outputStream } from './output-stream.ts';
import type { Slot } from './slot.ts';

const openFile = promisify(open);
const closeFile = promisify(close);
const chmodPath = promisify(chmod);

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
export async function spawnBwrap(slot: Slot, { bwrap, seccomp: filter, door }: BwrapOptions): Promise<Bwrap> {
  const ours: number[] = [];
  const theirs: number[] = [];
  const opened = async (list: number[], path: string, flags: number) => void list.push(await openFile(path, flags));
  try {
    // They belong to the wall's user, and the last program may have shut them against itself.
    await Promise.all([slot.stdout, slot.stderr].map((path) => chmodPath(path, 0o600)));
    await opened(ours, slot.stdout, constants.O_RDONLY | constants.O_NONBLOCK);
    await opened(ours, slot.stderr, constants.O_RDONLY | constants.O_NONBLOCK);
    await opened(theirs, slot.stdout, constants.O_WRONLY);
    await opened(theirs, slot.stderr, constants.O_WRONLY);
    await opened(theirs, filter, constants.O_RDONLY);
    const [stdout, stderr, seccomp] = theirs;
    const child = spawn(bwrap, ['--args', '3', '--', ...wallCommand(slot.identity.name)], {
      argv0: 'bwrap',
      env: {},
      cwd: '/',
      ...slot.identity.switchTo,
      stdio: ['ignore', stdout, stderr, 'pipe', seccomp, 'pipe', 'pipe', ...(door ? ['ipc' as const] : [])],
    });
    const spawnError = new Promise<NodeJS.ErrnoException>((resolve) => child.once('error', resolve));
    const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
    return { child, exited, spawnError, stdout: outputStream(ours.shift()!), stderr: outputStream(ours.shift()!) };
  } finally {
    await Promise.all([...ours, ...theirs].map((descriptor) => closeFile(descriptor)));
  }
}
