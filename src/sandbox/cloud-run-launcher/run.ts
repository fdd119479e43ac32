import type { Server } from 'node:net';
import type { KillReason, Observer, Program, Running, WallEnd } from '../../contracts/sandbox.ts';
import { stepEnvironment } from '../shared/environment.ts';
import type { Watch } from '../shared/watch.ts';
import { processesOf } from './host-processes.ts';
import type { MemoryWatch } from './memory.ts';
import type { Order, ProcessLimits } from './protocol/words.ts';
import type { Raised } from './raise.ts';

type Cause = WallEnd['cause'];

export interface RunUses {
  readonly workspace: string;
  readonly watch: Watch;
  readonly memory: MemoryWatch;
  /** Where the wall has a door. */
  readonly door?: Server;
}

const openFiles = 4096;
/** The kernel counts for a process what its runtime reserves and never touches: node alone some 560 MiB. */
const reservedBytes = 640 * 1024 ** 2;
/** Of stdin, in one message. */
const pieceBytes = 1024 ** 2;

/** Starts the program and follows it to its end. The observer is heard only after this has returned. */
export function runProgram(raised: Raised, program: Program, observer: Observer, uses: RunUses): Running {
  const state: { step: number; startedAtMs: number; endedAtMs: number | undefined; killedFor: Cause | undefined } = {
    step: 0,
    startedAtMs: performance.now(),
    endedAtMs: undefined,
    killedFor: undefined,
  };
  const kill = (cause: KillReason | 'out_of_memory' | 'disk_limit' | 'lost') => {
    state.killedFor ??= cause;
    raised.kill();
  };
  // A killed program prints until it is dead; held back meanwhile, that is a window and no more.
  const hear = (stream: 'stdout' | 'stderr') => (chunk: Buffer) => {
    const tell = () => observer.output(stream, chunk, state.step);
    return state.killedFor === undefined ? tell() : raised.exited.then(tell);
  };
  const guarded = (stream: 'stdout' | 'stderr') => async (chunk: Buffer) => {
    try {
      await hear(stream)(chunk);
    } catch (error) {
      fail(error);
    }
  };
  const fail = (error: unknown) => {
    process.emitWarning(error instanceof Error ? error : String(error));
    kill('lost');
  };
  raised.listen({ stdout: guarded('stdout'), stderr: guarded('stderr') });

  /** The exit code of the last step that ran; undefined where none can be told. */
  const runSteps = async (): Promise<number | undefined> => {
    await giveStdin(raised, program.stdin);
    state.startedAtMs = performance.now();
    if (uses.door !== undefined) observer.door?.(uses.door);
    for (;;) {
      observer.stepStarted?.(state.step);
      const answer = await raised.order(orderOf(program, state.step));
      if (answer.answer !== 'ended' || !answer.began) return undefined;
      await raised.taken();
      if (answer.exitCode !== 0 || state.step === program.steps.length - 1) return answer.exitCode;
      observer.stepEnded?.(state.step, 0);
      state.step += 1;
    }
  };

  const follow = async (): Promise<WallEnd> => {
    const ends = [
      uses.watch.add({
        workspace: uses.workspace,
        processes: () => processesOf(raised),
        limits: program.limits,
        onDiskLimit: () => kill('disk_limit'),
        onLook: () => undefined,
      }),
      uses.memory.add(() => kill('out_of_memory')),
    ];
    const code = await runSteps().catch(() => undefined);
    state.endedAtMs = performance.now();
    raised.finish();
    await raised.exited;
    await raised.taken();
    for (const end of ends) end();
    const cause = state.killedFor ?? (code === undefined ? 'lost' : 'exited');
    const exitCode = cause === 'exited' ? (code ?? null) : null;
    if (exitCode !== null) observer.stepEnded?.(state.step, exitCode);
    const until = cause === 'exited' ? state.endedAtMs : performance.now();
    return { cause, exitCode, lastStep: state.step, durationMs: until - state.startedAtMs };
  };

  const lost = (error: unknown): WallEnd => {
    fail(error);
    return { cause: 'lost', exitCode: null, lastStep: state.step, durationMs: performance.now() - state.startedAtMs };
  };
  return { ended: follow().catch(lost), kill };
}

async function giveStdin(raised: Raised, stdin: Uint8Array): Promise<void> {
  for (let at = 0; at < stdin.length; at += pieceBytes) {
    const content = Buffer.from(stdin.subarray(at, at + pieceBytes)).toString('base64');
    await raised.order({ order: 'stdin', content, append: at > 0 });
  }
}

function orderOf(
  { steps, env, limits, stdinStep = steps.length - 1 }: Program,
  step: number,
): Extract<Order, { order: 'run' }> {
  const { memoryBytes, processes, workspaceBytes } = limits;
  const kept: ProcessLimits = {
    openFiles,
    processes,
    fileBytes: workspaceBytes,
    dataBytes: memoryBytes + reservedBytes,
  };
  const { argv } = steps[step]!;
  return { order: 'run', argv, env: stepEnvironment(env), limits: kept, stdin: step === stdinStep };
}
