import type {
  CollectOptions,
  Observer,
  PlacedFile,
  Sandbox,
  Step,
  Wall,
  WallEnd,
  WallLimits,
} from '../../src/contracts/sandbox.ts';

const MiB = 1024 ** 2;

/** What the tests of the sandbox contract share: one program in one wall, and what came of it. */

export const testLimits: WallLimits = {
  memoryBytes: 512 * MiB,
  cpus: 1,
  processes: 128,
  workspaceBytes: 256 * MiB,
  workspaceInodes: 20_000,
};

export interface Trial {
  readonly steps?: readonly Step[];
  readonly python?: string;
  readonly bash?: string;
  readonly argv?: readonly string[];
  readonly files?: readonly PlacedFile[];
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string | Uint8Array;
  readonly stdinStep?: number;
  readonly limits?: Partial<WallLimits>;
  readonly observer?: Partial<Observer>;
  readonly door?: boolean;
  /** Gets the running program, to kill it or look at it. */
  readonly meanwhile?: (running: ReturnType<Wall['start']>) => void;
  readonly afterEnd?: (wall: Wall) => Promise<void>;
}

export interface Outcome {
  readonly end: WallEnd;
  readonly stdout: string;
  readonly stderr: string;
  /** Every chunk, as it was told: stream, step, text. */
  readonly chunks: readonly { readonly stream: string; readonly step: number; readonly text: string }[];
}

/** Runs one program in a wall of its own, and removes the wall whatever happens. */
export async function runIn(sandbox: Sandbox, trial: Trial): Promise<Outcome> {
  const deadline = AbortSignal.timeout(50_000);
  const limits = { ...testLimits, ...trial.limits };
  const wall = await sandbox.enter({ door: trial.door ?? false, limits, signal: deadline });
  try {
    await wall.place(trial.files ?? []);
    const chunks: { stream: 'stdout' | 'stderr'; step: number; bytes: Buffer }[] = [];
    const running = wall.start(
      {
        steps: trial.steps ?? [{ name: 'program', argv: commandOf(trial) }],
        env: trial.env ?? {},
        stdin: Buffer.from(trial.stdin ?? ''),
        ...(trial.stdinStep === undefined ? {} : { stdinStep: trial.stdinStep }),
        limits,
      },
      {
        ...trial.observer,
        output: (stream, bytes, step) => {
          chunks.push({ stream, step, bytes });
          return trial.observer?.output?.(stream, bytes, step);
        },
      },
    );
    deadline.addEventListener('abort', () => running.kill('timed_out'));
    trial.meanwhile?.(running);
    const end = await running.ended;
    await trial.afterEnd?.(wall);
    const textOf = (name: string) =>
      Buffer.concat(chunks.filter(({ stream }) => stream === name).map(({ bytes }) => bytes)).toString();
    return {
      end,
      stdout: textOf('stdout'),
      stderr: textOf('stderr'),
      chunks: chunks.map(({ stream, step, bytes }) => ({ stream, step, text: bytes.toString() })),
    };
  } finally {
    await wall.remove();
  }
}

function commandOf({ argv, python, bash }: Trial): readonly string[] {
  if (python !== undefined) return ['python3', '-c', python];
  if (bash !== undefined) return ['/bin/bash', '-c', bash];
  return argv ?? ['true'];
}

/** What `collect` hands over, by path, with how many were left behind. */
export async function collectFrom(
  wall: Wall,
  options: Partial<CollectOptions> = {},
): Promise<{ files: Map<string, string>; skipped: number; count: number }> {
  const files = new Map<string, string>();
  const { files: count, skipped } = await wall.collect({
    maxFiles: 100,
    maxBytes: 16 * MiB,
    signal: AbortSignal.timeout(20_000),
    onFile: async ({ path, content }) => {
      const parts: Uint8Array[] = [];
      for await (const part of content) parts.push(part);
      files.set(path, Buffer.concat(parts).toString('latin1'));
    },
    ...options,
  });
  return { files, skipped, count };
}
