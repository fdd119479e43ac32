import type { Server } from 'node:net';
import type { Artifact } from '../contracts/artifact.ts';
import { asRunyardError } from '../contracts/errors.ts';
import { limits } from '../contracts/limits.ts';
import type {
  CollectedFile,
  CollectOptions,
  KillReason,
  Observer,
  PlacedFile,
  Program,
  Running,
  Wall,
  WallEnd,
} from '../contracts/sandbox.ts';
import type { RunError } from '../contracts/task.ts';
import { createHeadTail } from '../lib/head-tail.ts';
import { wallLimits } from './limits.ts';
import { type Overdue, type StepPatience, watchSteps } from './patience.ts';
import type { RunContext } from './run-context.ts';

/** One program in one wall, from the files it finds to the artifacts it leaves. */
export interface WallJob {
  readonly files: readonly PlacedFile[];
  /** Places what is too large to be held as files. */
  readonly furnish?: (place: Wall['place']) => Promise<void>;
  readonly program: Omit<Program, 'limits'>;
  /** Where given, the wall has a door, and it is handed over before the first step. */
  readonly door?: (server: Server) => void;
  /** Takes the stdout of one step: it is then neither an event nor a part of `stdout`. */
  readonly takeStdout?: { readonly step: number; readonly take: (chunk: Buffer) => void };
  /** For each step, by its place among the program's steps. */
  readonly patience?: (step: number) => StepPatience;
  readonly select?: CollectOptions['select'];
  /** Whether a collected file was taken here: it is then no artifact. */
  readonly takeFile?: (file: CollectedFile) => Promise<boolean>;
}

export interface WallJobEnd {
  readonly end: WallEnd;
  /** Which patience with the last step was at its end; the program was then ended as `timed_out`. */
  readonly overdue?: Overdue;
  /** Head and tail of each stream. */
  readonly stdout: string;
  readonly stderr: string;
  readonly truncated: boolean;
  readonly artifacts: readonly Artifact[];
  /** Why not all artifacts could be kept, beside the limits. What the program did and cost stands all the same. */
  readonly fault?: RunError;
}

/**
 * Runs the job in a wall of its own, which is removed afterwards, whatever happens. Output becomes events as it comes; the
 * run ends as `output_limit` where they are full, and by `context.stop` where it fires.
 */
export async function runInWall(job: WallJob, context: RunContext): Promise<WallJobEnd> {
  const wall = await context.sandbox.enter({
    door: job.door !== undefined,
    limits: wallLimits(context.task),
    signal: context.stop,
  });
  try {
    await wall.place(job.files);
    await job.furnish?.(wall.place);
    const { end, overdue, stdout, stderr } = await runProgram(wall, job, context);
    const { artifacts, fault } = await collectArtifacts(wall, job, context);
    return {
      end,
      ...(overdue === undefined ? {} : { overdue }),
      stdout: stdout.text,
      stderr: stderr.text,
      truncated: stdout.truncated || stderr.truncated,
      artifacts,
      ...(fault === undefined ? {} : { fault }),
    };
  } finally {
    context.afterwards(() => wall.remove());
  }
}

async function runProgram(wall: Wall, job: WallJob, context: RunContext) {
  const { events, stop } = context;
  const captured = {
    stdout: createHeadTail(limits.resultOutputBytes, leftOut),
    stderr: createHeadTail(limits.resultOutputBytes, leftOut),
  };
  // The observer is heard only once `start` has returned.
  let running: Running | undefined;
  let overdue: Overdue | undefined;
  const watch = watchSteps(job.patience ?? (() => ({})), (why) => {
    if (stop.aborted) return;
    overdue = why;
    running?.kill('timed_out');
  });
  const observer: Observer = {
    output(stream, chunk, step) {
      watch.heard();
      if (stream === 'stdout' && job.takeStdout?.step === step) job.takeStdout.take(chunk);
      else {
        captured[stream].push(chunk);
        events.text(stream, chunk);
      }
      if (events.full) running?.kill('output_limit');
    },
    stepStarted(step) {
      watch.begins(step);
      if (job.program.steps.length > 1) events.note('phase', `${job.program.steps[step]?.name} begins`);
    },
    processLimitMet() {
      events.note('phase', `the limit of ${limits.processesMax} processes was met`);
    },
    ...(job.door === undefined ? {} : { door: job.door }),
  };
  running = wall.start({ ...job.program, limits: wallLimits(context.task) }, observer);
  const kill = () => running?.kill(stop.reason as KillReason);
  if (stop.aborted) kill();
  else stop.addEventListener('abort', kill, { once: true });
  const end = await running.ended;
  stop.removeEventListener('abort', kill);
  watch.end();
  return {
    end,
    overdue: end.cause === 'timed_out' ? overdue : undefined,
    stdout: captured.stdout.result(),
    stderr: captured.stderr.result(),
  };
}

function leftOut(bytes: number): string {
  return `\n[... ${bytes} bytes left out here; all of it is in get_task_logs ...]\n`;
}

async function collectArtifacts(
  wall: Wall,
  job: WallJob,
  context: RunContext,
): Promise<{ artifacts: Artifact[]; fault?: RunError }> {
  const artifacts: Artifact[] = [];
  // A copy: what is still under way when the time is over comes too late to be told.
  const sorted = () => artifacts.toSorted((a, b) => (a.path < b.path ? -1 : 1));
  try {
    const { skipped } = await wall.collect({
      ...(job.select === undefined ? {} : { select: job.select }),
      maxFiles: limits.artifactFilesMax,
      maxBytes: limits.artifactBytesMax,
      onFile: async (file) => {
        if (!(await job.takeFile?.(file))) artifacts.push(await context.keepArtifact(file));
      },
      signal: AbortSignal.timeout(collectTimeoutMs),
    });
    if (skipped > 0) context.events.note('phase', notKept(skipped));
    return { artifacts: sorted() };
  } catch (error) {
    context.warn(error, 'what a program left could not be collected');
    const { code, message } = asRunyardError(error);
    const fault = { code, message: `What the program left could not be collected. ${message}` };
    context.events.note('phase', fault.message);
    return { artifacts: sorted(), fault };
  }
}

function notKept(skipped: number): string {
  return `${skipped} files were not kept as artifacts: at most ${limits.artifactFilesMax} files and ${limits.artifactBytesMax / 1024 ** 2} MiB are, under paths of at most ${limits.artifactPathBytesMax} bytes`;
}

/** Packing reads what the program left; a workspace made to be slow to read cannot hold the run for longer. */
const collectTimeoutMs = 60_000;
