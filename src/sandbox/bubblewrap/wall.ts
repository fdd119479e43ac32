import type { Program, Wall } from '../../contracts/sandbox.ts';
import type { StandingWall } from './build.ts';
import { placeFiles } from './place.ts';
import { type RunningWall, runWall } from './run.ts';
import { programScript } from './script.ts';
import type { Slot } from './slot.ts';

export interface WallParts {
  readonly slot: Slot;
  readonly standing: StandingWall;
  /** Called once, when nothing inside is alive: the slot may be used again. */
  readonly giveBack: (slot: Slot) => Promise<void>;
}

const openFiles = 4096;

export function createWall({ slot, standing, giveBack }: WallParts): Wall {
  const state: { running: RunningWall | undefined; removal: Promise<void> | undefined } = {
    running: undefined,
    removal: undefined,
  };
  return {
    place: (files) => placeFiles(slot, files),
    start: (program, observer) => {
      const script = programScript(program, { fileBytes: program.limits.workspaceBytes, openFiles });
      const running = runWall(standing, observer, prepare(slot, program, script));
      state.running = running;
      return running;
    },
    collect: () => Promise.reject(new Error('not yet')),
    remove: () => (state.removal ??= remove(slot, standing, state.running, giveBack)),
  };
}

async function prepare(slot: Slot, program: Program, script: string): Promise<void> {
  await Promise.all([
    slot.programFile.write(script, 0),
    program.stdin.length === 0 ? undefined : slot.stdinFile.write(program.stdin, 0, program.stdin.length, 0),
  ]);
}

async function remove(
  slot: Slot,
  standing: StandingWall,
  running: RunningWall | undefined,
  giveBack: WallParts['giveBack'],
) {
  running?.kill('stopped');
  standing.kill();
  standing.handshake.end();
  await standing.exited;
  await running?.ended;
  standing.stdout.destroy();
  standing.stderr.destroy();
  await giveBack(slot);
}
