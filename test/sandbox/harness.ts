import { randomBytes } from 'node:crypto';
import type { Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { z } from 'zod';
import type {
  CollectOptions,
  KillReason,
  PlacedFile,
  Sandbox,
  Wall,
  WallEnd,
  WallLimits,
} from '../../src/contracts/sandbox.ts';
import { namespaceOf, pidsOfWall, pidsWithMarker, uidsOf } from './host-view.ts';

const MiB = 1024 * 1024;

export const attemptLimits: WallLimits = {
  memoryBytes: 512 * MiB,
  cpus: 1,
  processes: 128,
  workspaceBytes: 256 * MiB,
  workspaceInodes: 20_000,
};

/** One program, what it is given, and who looks at it from outside. */
export interface Attempt {
  /** Python's text, run as `python3 -c`; or a whole command line. */
  readonly python?: string;
  readonly argv?: readonly string[];
  readonly files?: readonly PlacedFile[];
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  readonly limits?: Partial<WallLimits>;
  readonly door?: (server: Server) => void;
  /** Looks while the program lives, once it has printed `ready`; the program is stopped afterwards. */
  readonly whileAlive?: (live: LiveWall) => Promise<void> | void;
  /** Looks when the program is dead and its workspace still there. */
  readonly afterEnd?: (trial: Trial) => Promise<void> | void;
  /** Chooses other limits of the collection, which takes place after every attempt that asks for it. */
  readonly collect?: Partial<Pick<CollectOptions, 'select' | 'maxFiles' | 'maxBytes'>>;
  /** Sees the output as it comes; a promise holds the program back. */
  readonly onOutput?: (chunk: Buffer, live: LiveWall) => void | Promise<void>;
  readonly deadlineMs?: number;
}

export interface LiveWall {
  /** The host's pids of everything in the wall, its init among them. */
  pids(): number[];
  /** The host's pids of the program itself: those that carry the attempt's marker. */
  programPids(): number[];
  /** How often it was told that the program met its limit of processes. */
  processLimitMet(): number;
  kill(reason: KillReason): void;
}

export interface Trial {
  readonly end: WallEnd;
  readonly stdout: string;
  readonly stderr: string;
  /** What the program printed, as JSON of this shape. */
  said<T extends z.ZodType>(shape: T): z.infer<T>;
  readonly processLimitMet: number;
  /** The wall's kernel uid and pid namespace; undefined where nobody looked while it lived. */
  readonly uid: number | undefined;
  readonly pidNamespace: string | undefined;
  readonly marker: string;
  /** What was collected, by path; only where `collect` was asked for. */
  readonly files: ReadonlyMap<string, Buffer>;
  readonly skipped: number;
}

/** Runs one attempt in a wall of its own and removes the wall, whatever happens. */
export async function tryIn(sandbox: Sandbox, attempt: Attempt): Promise<Trial> {
  const deadline = AbortSignal.timeout(attempt.deadlineMs ?? 25_000);
  const limits = { ...attemptLimits, ...attempt.limits };
  const wall = await sandbox.enter({ door: attempt.door !== undefined, limits, signal: deadline });
  try {
    await wall.place(attempt.files ?? []);
    const ran = await run(wall, attempt, deadline);
    const collected = attempt.collect === undefined ? nothingCollected : await collect(wall, attempt.collect, deadline);
    const trial = { ...ran, ...collected };
    await attempt.afterEnd?.(trial);
    return trial;
  } finally {
    await wall.remove();
  }
}

const nothingCollected = { files: new Map<string, Buffer>(), skipped: 0 };

async function run(wall: Wall, attempt: Attempt, deadline: AbortSignal): Promise<Omit<Trial, 'files' | 'skipped'>> {
  const marker = `runyard-attempt-${randomBytes(8).toString('hex')}`;
  const output = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  const text = (stream: 'stdout' | 'stderr') => Buffer.concat(output[stream]).toString();
  let processLimitMet = 0;
  let uid: number | undefined;
  let pidNamespace: string | undefined;
  const running = wall.start(
    {
      steps: [{ name: 'attempt', argv: [...commandOf(attempt), marker] }],
      env: { PYTHONDONTWRITEBYTECODE: '1', ...attempt.env },
      stdin: Buffer.from(attempt.stdin ?? ''),
      limits: { ...attemptLimits, ...attempt.limits },
    },
    {
      output: (stream, chunk) => {
        output[stream].push(chunk);
        return attempt.onOutput?.(chunk, live);
      },
      processLimitMet: () => {
        processLimitMet += 1;
      },
      ...(attempt.door === undefined ? {} : { door: attempt.door }),
    },
  );
  const live: LiveWall = {
    pids: () => (pidNamespace === undefined || uid === undefined ? [] : pidsOfWall(pidNamespace, uid)),
    programPids: () => pidsWithMarker(marker),
    processLimitMet: () => processLimitMet,
    kill: (reason) => running.kill(reason),
  };
  deadline.addEventListener('abort', () => running.kill('timed_out'));
  if (attempt.whileAlive !== undefined) {
    const ended = running.ended.then((end) => {
      throw new Error(`the program ended before it was ready: ${JSON.stringify(end)} ${text('stderr')}`);
    });
    ended.catch(() => undefined);
    await Promise.race([until(() => /^ready$/m.test(text('stdout')), deadline), ended]);
    [uid, pidNamespace] = identityOf(live.programPids());
    // Whatever is looked at for each of them would be found right of none.
    if (live.pids().length === 0) throw new Error("none of the wall's processes is to be seen");
    try {
      await attempt.whileAlive(live);
      // A program that has just ended by itself is not stopped: its end is still on its way.
      if (live.programPids().length === 0) await running.ended;
    } finally {
      running.kill('stopped');
    }
  }
  const end = await running.ended;
  const [stdout, stderr] = [text('stdout'), text('stderr')];
  const said = <T extends z.ZodType>(shape: T): z.infer<T> => shape.parse(jsonOf(stdout, stderr));
  return { end, stdout, stderr, said, processLimitMet, uid, pidNamespace, marker };
}

function commandOf({ argv, python }: Attempt): readonly string[] {
  return argv ?? ['/usr/bin/python3', '-c', python ?? ''];
}

/** Undefined where the program has ended already. */
function identityOf(pids: readonly number[]): [number | undefined, string | undefined] {
  const [pid] = pids;
  if (pid === undefined) return [undefined, undefined];
  const pidNamespace = namespaceOf(pid, 'pid');
  if (pidNamespace === namespaceOf(process.pid, 'pid')) throw new Error('the program is in our own pid namespace');
  return [uidsOf(pid)[0], pidNamespace];
}

/** The last line is the program's word; lines before it, such as `ready`, are signals. */
function jsonOf(stdout: string, stderr: string): unknown {
  const last = stdout.trimEnd().split('\n').at(-1) ?? '';
  try {
    return JSON.parse(last);
  } catch (cause) {
    throw new Error(`no JSON from the program: ${stdout.slice(-500)} | ${stderr.slice(-2000)}`, { cause });
  }
}

async function collect(wall: Wall, options: NonNullable<Attempt['collect']>, signal: AbortSignal) {
  const files = new Map<string, Buffer>();
  const { skipped } = await wall.collect({
    maxFiles: 1000,
    maxBytes: 64 * MiB,
    ...options,
    signal,
    onFile: async (file) => {
      const chunks: Uint8Array[] = [];
      for await (const chunk of file.content) chunks.push(chunk);
      files.set(file.path, Buffer.concat(chunks));
    },
  });
  return { files, skipped };
}

/** Looks every 10 ms until it holds; throws what the signal says when it aborts first. */
export async function until(holds: () => boolean, signal: AbortSignal = AbortSignal.timeout(10_000)): Promise<void> {
  while (!holds()) {
    signal.throwIfAborted();
    await sleep(10);
  }
}
