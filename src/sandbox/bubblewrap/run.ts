import type { KillReason, Observer, Running, WallEnd, WallLimits } from '../../contracts/sandbox.ts';
import { processesBeside } from '../shared/disk-usage.ts';
import type { Watch } from '../shared/watch.ts';
import type { ReadyWall } from './erect.ts';
import { words } from './init.ts';

type Cause = WallEnd['cause'];

export interface RunOptions {
  readonly observer: Observer;
  readonly limits: WallLimits;
  /** `go` is said once this has resolved: the program lies in its place. */
  readonly prepared: Promise<void>;
  readonly watch: Watch;
}

/** Starts the program and follows it to its end. The observer is heard only after this has returned. */
export function runWall(ready: ReadyWall, { observer, limits, prepared, watch }: RunOptions): Running {
  const { standing: wall, slot } = ready;
  const { cgroup } = slot;
  const state: { step: number; startedAtMs: number; killedFor: Cause | undefined; hasStarted: boolean } = {
    step: 0,
    startedAtMs: performance.now(),
    killedFor: undefined,
    hasStarted: false,
  };

  const kill = (cause: KillReason | 'out_of_memory' | 'disk_limit' | 'lost') => {
    state.killedFor ??= cause;
    wall.kill();
  };
  const fail = (error: Error) => {
    process.emitWarning(error);
    kill('lost');
  };
  // A killed program prints until it is dead; held back meanwhile, that is what the FIFO takes and no more.
  const hear = (stream: 'stdout' | 'stderr') => (chunk: Buffer) => {
    const tell = () => observer.output(stream, chunk, state.step);
    return state.killedFor === undefined ? tell() : wall.exited.then(tell);
  };
  wall.stdout.listen(hear('stdout'), fail);
  wall.stderr.listen(hear('stderr'), fail);

  const tellProcessLimit = tellOnce(cgroup.processRefusals, () => observer.processLimitMet?.());

  const followSteps = async () => {
    await prepared;
    state.startedAtMs = performance.now();
    if (wall.door !== undefined) observer.door?.(wall.door.server);
    observer.stepStarted?.(0);
    wall.handshake.send(words.go);
    for (let word = await wall.handshake.next(); word !== undefined; word = await wall.handshake.next()) {
      if (word === words.started) {
        state.hasStarted = true;
        slot.forgetProgram();
      }
      if (word === words.stepEnded) await beginNextStep();
    }
  };

  const beginNextStep = async () => {
    await Promise.all([wall.stdout.drained(), wall.stderr.drained()]);
    observer.stepEnded?.(state.step, 0);
    state.step += 1;
    observer.stepStarted?.(state.step);
    wall.handshake.send(words.next);
  };

  const follow = async (): Promise<WallEnd> => {
    const unwatch = watch.add({
      workspace: slot.workspace,
      processes: () => processesBeside(wall.pidOfInit),
      limits,
      onDiskLimit: () => kill('disk_limit'),
      onLook: tellProcessLimit,
    });
    await followSteps().catch(fail);
    const [code] = await Promise.all([wall.exited, wall.stdout.ended, wall.stderr.ended]);
    unwatch();
    tellProcessLimit();
    const cause = state.killedFor ?? causeOf(code);
    const exitCode = cause === 'exited' ? code : null;
    if (exitCode !== null) observer.stepEnded?.(state.step, exitCode);
    return { cause, exitCode, lastStep: state.step, durationMs: performance.now() - state.startedAtMs };
  };

  const causeOf = (code: number | null): Cause => {
    if (code !== 0 && cgroup.memoryKills() > 0) return 'out_of_memory';
    return code === null || !state.hasStarted ? 'lost' : 'exited';
  };

  const lost = (error: Error): WallEnd => {
    fail(error);
    return { cause: 'lost', exitCode: null, lastStep: state.step, durationMs: performance.now() - state.startedAtMs };
  };
  return { ended: follow().catch(lost), kill };
}

function tellOnce(count: () => number, tell: () => void): () => void {
  const told = { once: false };
  return () => {
    if (told.once || count() === 0) return;
    told.once = true;
    tell();
  };
}
