import type { KillReason, Observer, Running, WallEnd } from '../../contracts/sandbox.ts';
import type { ReadyWall } from './erect.ts';
import { words } from './init.ts';

type Cause = WallEnd['cause'];

export interface RunningWall extends Running {
  /** The first reason wins. */
  end(cause: KillReason | 'out_of_memory' | 'disk_limit'): void;
}

/**
 * Says `go` as soon as `prepared` has resolved (the program lies in its place), and follows the steps to their end.
 * The observer is heard only after this has returned.
 */
export function runWall(
  { standing: wall, cgroup }: ReadyWall,
  observer: Observer,
  prepared: Promise<void>,
): RunningWall {
  const state: { step: number; killedFor: Cause | undefined; hasStarted: boolean } = {
    step: 0,
    killedFor: undefined,
    hasStarted: false,
  };
  const end = (cause: Cause) => {
    state.killedFor ??= cause;
    wall.kill();
  };
  wall.stdout.listen((chunk) => observer.output('stdout', chunk, state.step));
  wall.stderr.listen((chunk) => observer.output('stderr', chunk, state.step));

  const followSteps = async () => {
    await prepared;
    const startedAt = performance.now();
    if (wall.door !== undefined) observer.door?.(wall.door.server);
    observer.stepStarted?.(0);
    wall.handshake.send(words.go);
    for (let word = await wall.handshake.next(); word !== undefined; word = await wall.handshake.next()) {
      if (word === words.started) state.hasStarted = true;
      if (word === words.stepEnded) await beginNextStep();
    }
    return startedAt;
  };

  const beginNextStep = async () => {
    await Promise.all([wall.stdout.drained(), wall.stderr.drained()]);
    observer.stepEnded?.(state.step, 0);
    state.step += 1;
    observer.stepStarted?.(state.step);
    wall.handshake.send(words.next);
  };

  const theEnd = async (): Promise<WallEnd> => {
    const startedAt = await followSteps().catch((error: Error) => {
      process.emitWarning(error);
      end('lost');
      return performance.now();
    });
    const [code] = await Promise.all([wall.exited, wall.stdout.ended, wall.stderr.ended]);
    const durationMs = performance.now() - startedAt;
    const base = { lastStep: state.step, durationMs };
    if (state.killedFor !== undefined) return { ...base, cause: state.killedFor, exitCode: null };
    if (code !== 0 && cgroup.memoryKills() > 0) return { ...base, cause: 'out_of_memory', exitCode: null };
    if (code === null || !state.hasStarted) return { ...base, cause: 'lost', exitCode: null };
    observer.stepEnded?.(state.step, code);
    return { ...base, cause: 'exited', exitCode: code };
  };
  return { ended: theEnd(), kill: end, end };
}
