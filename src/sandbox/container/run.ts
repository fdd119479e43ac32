import type { KillReason, Observer, Program, Running, WallEnd } from '../../contracts/sandbox.ts';
import { stepEnvironment } from '../shared/environment.ts';
import type { Container } from './container.ts';
import type { Door } from './door.ts';
import type { Order, ProcessLimits } from './words.ts';

type Cause = WallEnd['cause'];

/** Where the program runs: a container with its limits, and its door where it has one. */
export interface Place {
  readonly container: Container;
  readonly door: Door | undefined;
}

const openFiles = 4096;
/** The kernel counts for a process what its runtime reserves and never touches: node alone some 560 MiB. */
const reservedBytes = 640 * 1024 ** 2;

/** Starts the program where `prepared` leads, and follows it to its end. The observer is heard only after this has returned. */
export function runProgram(prepared: Promise<Place>, program: Program, observer: Observer): Running {
  const state: {
    container: Container | undefined;
    step: number;
    startedAtMs: number;
    killedFor: Cause | undefined;
    memoryKills: number;
    isOver: boolean;
  } = {
    container: undefined,
    step: 0,
    startedAtMs: performance.now(),
    killedFor: undefined,
    memoryKills: 0,
    isOver: false,
  };

  const kill = (cause: KillReason | 'disk_limit' | 'lost') => {
    if (state.isOver) return;
    state.killedFor ??= cause;
    void state.container?.finish();
  };
  const fail = (error: unknown) => {
    process.emitWarning(error instanceof Error ? error : String(error));
    kill('lost');
  };
  const told = { processLimit: false, hasFailed: false };
  const listen = ({ container, door }: Place) =>
    container.listen({
      output: async (stream, chunk) => {
        if (told.hasFailed) return;
        try {
          await observer.output(stream, chunk, state.step);
        } catch (error) {
          told.hasFailed = true;
          fail(error);
        }
      },
      news: (news) => {
        if (news === 'disk_limit') return kill('disk_limit');
        if (!told.processLimit) observer.processLimitMet?.();
        told.processLimit = true;
      },
      ...(door === undefined ? {} : { connection: door.connection }),
    });

  /** The exit code of the last step that ran; undefined where it was killed or cannot be told. */
  const runSteps = async (container: Container): Promise<number | undefined> => {
    for (;;) {
      if (state.killedFor !== undefined) return undefined;
      observer.stepStarted?.(state.step);
      const isLast = state.step === program.steps.length - 1;
      const stdin = state.step === (program.stdinStep ?? program.steps.length - 1) ? program.stdin : undefined;
      const answer = await container.ask(orderOf(program, state.step, container, stdin), stdin);
      if (answer?.answer === 'failed') throw new Error(answer.reason);
      if (answer?.answer !== 'ended') return undefined;
      await container.taken();
      state.memoryKills += answer.memoryKills;
      if (answer.exitCode !== 0 || isLast) return answer.exitCode;
      observer.stepEnded?.(state.step, 0);
      state.step += 1;
    }
  };

  const follow = async (): Promise<WallEnd> => {
    const place = await prepared;
    const { container, door } = place;
    state.container = container;
    state.startedAtMs = performance.now();
    listen(place);
    if (door !== undefined) observer.door?.(door.server);
    const code = await runSteps(container).catch(fail);
    const endedAtMs = performance.now();
    await container.finish();
    state.isOver = true;
    door?.close();
    await container.taken();
    const cause = state.killedFor ?? causeOf(code ?? undefined);
    const exitCode = cause === 'exited' ? (code ?? null) : null;
    if (exitCode !== null) observer.stepEnded?.(state.step, exitCode);
    const untilMs = cause === 'exited' ? endedAtMs : performance.now();
    return { cause, exitCode, lastStep: state.step, durationMs: untilMs - state.startedAtMs };
  };

  const causeOf = (code: number | undefined): Cause => {
    if (code !== 0 && state.memoryKills > 0) return 'out_of_memory';
    return code === undefined ? 'lost' : 'exited';
  };

  const lost = (error: unknown): WallEnd => {
    fail(error);
    return { cause: 'lost', exitCode: null, lastStep: state.step, durationMs: performance.now() - state.startedAtMs };
  };
  return { ended: follow().catch(lost), kill };
}

function orderOf(
  { steps, env, limits }: Program,
  step: number,
  { standing }: Container,
  stdin: Uint8Array | undefined,
): Extract<Order, { order: 'run' }> {
  const { memoryBytes, processes, workspaceBytes, workspaceInodes } = limits;
  const kept: ProcessLimits = {
    openFiles,
    fileBytes: workspaceBytes,
    ...(standing.counted.memory ? {} : { dataBytes: memoryBytes + reservedBytes }),
    ...(standing.counted.processes ? {} : { processes }),
  };
  return {
    order: 'run',
    bytes: stdin?.length ?? 0,
    argv: steps[step]!.argv.map((word) => word.toWellFormed()),
    env: wellFormed(stepEnvironment(env)),
    limits: kept,
    disk: [workspaceBytes, workspaceInodes],
  };
}

function wellFormed(env: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(env).map((entry) => entry.map((text) => text.toWellFormed())));
}
