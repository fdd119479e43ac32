import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Containers as Cloud Run starts them, each a process with a folder of its own. */
export interface Containers {
  /** Starts the program as soon as there is room; `env` is all that it sees besides what its image sets. */
  start(name: string, env: Readonly<Record<string, string>>, onStarted: () => void): Container;
  /** What a container printed. */
  logOf(name: string): string;
  /** Kills what is left. */
  close(): Promise<void>;
}

export interface Container {
  readonly ended: Promise<ContainerEnd>;
  /** SIGTERM, and SIGKILL where it is still there after the grace. One that has not started never will. */
  stop(): void;
  kill(): void;
}

/** `neverRan`: it was stopped before there was room for it. */
export type ContainerEnd =
  | { readonly exitCode: number }
  | { readonly signal: NodeJS.Signals }
  | { readonly neverRan: true };

export interface ContainersOptions {
  /** The image's entry point. */
  readonly program: string;
  /** What the image itself sets. */
  readonly imageEnv: Readonly<Record<string, string>>;
  readonly atOnce: number;
}

/** Between SIGTERM and SIGKILL. */
const graceMs = 10_000;

export function createContainers({ program, imageEnv, atOnce }: ContainersOptions): Containers {
  const dir = mkdtempSync(join(tmpdir(), 'runyard-cloud-run-'));
  // Walls of other users must reach the workspaces.
  chmodSync(dir, 0o711);
  const running = new Set<{ readonly container: Container }>();
  const waiting: (() => void)[] = [];
  let busy = 0;
  let closed = false;

  const room = async (): Promise<void> => {
    if (busy >= atOnce) await new Promise<void>((resolve) => waiting.push(resolve));
    else busy++;
  };
  /** The place is handed on. */
  const leave = () => {
    const next = waiting.shift();
    if (next === undefined) busy--;
    else next();
  };

  const run = async (name: string, env: Readonly<Record<string, string>>, asked: Asked, onStarted: () => void) => {
    await room();
    try {
      if (asked.stopped || closed) return { neverRan: true } as const;
      const work = join(dir, name);
      mkdirSync(work, { mode: 0o711 });
      const log = openSync(join(dir, `${name}.log`), 'a', 0o600);
      const child = spawn(process.execPath, [program], {
        cwd: '/',
        env: { PATH: '/usr/local/bin:/usr/bin:/bin', RUNYARD_WORK: work, ...imageEnv, ...env },
        stdio: ['ignore', log, log],
      });
      closeSync(log);
      asked.child = child;
      onStarted();
      const end = await endOf(child);
      rmSync(work, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
      return end;
    } finally {
      leave();
    }
  };

  return {
    start(name, env, onStarted) {
      const asked: Asked = { stopped: false, child: undefined };
      const ended = run(name, env, asked, onStarted);
      const container: Container = {
        ended,
        stop() {
          asked.stopped = true;
          asked.child?.kill('SIGTERM');
          const timer = setTimeout(() => asked.child?.kill('SIGKILL'), graceMs);
          ended.finally(() => clearTimeout(timer));
        },
        kill() {
          asked.stopped = true;
          asked.child?.kill('SIGKILL');
        },
      };
      const entry = { container };
      running.add(entry);
      ended.finally(() => running.delete(entry));
      return container;
    },
    logOf: (name) => readFileSync(join(dir, `${name}.log`), 'utf8'),
    async close() {
      closed = true;
      const left = [...running].map(({ container }) => container);
      for (const container of left) container.kill();
      await Promise.allSettled(left.map(({ ended }) => ended));
      rmSync(dir, { recursive: true, force: true, maxRetries: 30, retryDelay: 100 });
    },
  };
}

interface Asked {
  stopped: boolean;
  child: ChildProcess | undefined;
}

function endOf(child: ChildProcess): Promise<ContainerEnd> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (exitCode, signal) => resolve(signal === null ? { exitCode: exitCode! } : { signal }));
  });
}
