import type { Server } from 'node:net';
import type { SandboxReport } from './task.ts';

/** The wall around untrusted code. Each adapter passes `test/contract/sandbox.ts` and the programs of `test/sandbox/`. */
export interface Sandbox {
  readonly technology: SandboxReport['technology'];
  /** Builds walls ahead of need, in the background; failures surface at `enter`. */
  warm(): void;
  /**
   * A single-use wall with an empty workspace, built and checked, that waits for its program.
   * Throws `sandbox_unavailable` with what is missing and how to install it. Never goes without a wall.
   */
  enter(options: EnterOptions): Promise<Wall>;
  /** Ends every wall that waits; those that run belong to their owner. */
  close(): Promise<void>;
}

export interface EnterOptions {
  /** Whether a listener inside the wall is handed out as the program's only exit (`Observer.door`). */
  readonly door: boolean;
  /** Of the program to come, where they are known: a wall that cannot change its limits is made with these at once. */
  readonly limits?: WallLimits;
  readonly signal: AbortSignal;
}

/** One wall: place, start, collect, remove, in this order. `remove` is always called, whatever happened. */
export interface Wall {
  /** Writes files into the workspace, before `start` only. Paths are relative and were checked. */
  place(files: readonly PlacedFile[]): Promise<void>;
  start(program: Program, observer: Observer): Running;
  /** Hands over the regular files the program left, once it is dead, packed from inside a second wall. */
  collect(options: CollectOptions): Promise<Collected>;
  /** Ends everything inside, wipes the workspace, gives the slot back. Safe to call twice. */
  remove(): Promise<void>;
}

export interface PlacedFile {
  readonly path: string;
  readonly content: Uint8Array;
  /** Permission bits; 0o644 where not given. */
  readonly mode?: number;
}

/** What runs inside. Steps run one after another in one wall; the first that exits non-zero is the last. */
export interface Program {
  readonly steps: readonly Step[];
  readonly env: Readonly<Record<string, string>>;
  /** What one step reads from its stdin; the others read an empty one. */
  readonly stdin: Uint8Array;
  /** Which one that is; the last where not given. */
  readonly stdinStep?: number;
  readonly limits: WallLimits;
}

export interface Step {
  /** A short name for errors and phases, such as `setup 1`. */
  readonly name: string;
  /** `/bin/…`, `/usr/bin/…` or `wallPaths`; found through the wall's own PATH otherwise. */
  readonly argv: readonly string[];
}

export interface WallLimits {
  readonly memoryBytes: number;
  readonly cpus: number;
  readonly processes: number;
  readonly workspaceBytes: number;
  readonly workspaceInodes: number;
}

/** Paths inside every wall, on every technology. */
export const wallPaths = {
  workspace: '/workspace',
  home: '/tmp/home',
  node: '/runyard/bin/node',
  claude: '/runyard/bin/claude',
  /** Where the door listens, on the wall's own loopback. */
  doorPort: 8377,
} as const;

/** What the wall tells while the program runs. A promise holds back the stream it answers (back-pressure). */
export interface Observer {
  /** Raw bytes of step `step`, in order per stream. */
  output(stream: 'stdout' | 'stderr', chunk: Buffer, step: number): void | Promise<void>;
  stepStarted?(step: number): void;
  stepEnded?(step: number, exitCode: number): void;
  /** Once, before the first step, where `EnterOptions.door` was true: connections made inside arrive here. */
  door?(server: Server): void;
  /** The limit on processes was met; the run goes on. */
  processLimitMet?(): void;
}

export interface Running {
  /** Resolves when nothing of the program is left alive and its output has been handed over. Never rejects. */
  readonly ended: Promise<WallEnd>;
  /** Kills everything inside at once. The first reason wins. */
  kill(reason: KillReason): void;
}

/** Why the runner ends a program before its time. */
export type KillReason = 'timed_out' | 'cancelled' | 'output_limit' | 'stopped';

export interface WallEnd {
  /** `exited`: the program ended by itself; `lost`: the wall ended without a word of it. */
  readonly cause: 'exited' | KillReason | 'out_of_memory' | 'disk_limit' | 'lost';
  /** Of the last step that ran: 128 + N where signal N ended it; null where none ended by itself. */
  readonly exitCode: number | null;
  readonly lastStep: number;
  readonly durationMs: number;
}

export interface CollectOptions {
  /**
   * Where given: chooses among all regular files of the workspace (paths as in `CollectedFile`).
   * Where not: everything below `output/`.
   */
  readonly select?: (paths: readonly string[]) => Promise<readonly string[]>;
  readonly maxFiles: number;
  readonly maxBytes: number;
  readonly onFile: (file: CollectedFile) => Promise<void>;
  readonly signal: AbortSignal;
}

export interface CollectedFile {
  /** Relative to the workspace; bytes that are no UTF-8 and control characters stand as `\xNN`. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Exactly `sizeBytes` bytes; must be read to its end before `onFile` resolves. */
  readonly content: AsyncIterable<Uint8Array>;
}

export interface Collected {
  readonly files: number;
  /** Files left behind because of a limit; 0 where all were taken. */
  readonly skipped: number;
}

/** One line of a `doctor`. */
export interface Finding {
  readonly subject: string;
  readonly state: 'ok' | 'limited' | 'missing';
  readonly detail: string;
  /** The command that brings it, or what it would allow. */
  readonly remedy?: string;
}
