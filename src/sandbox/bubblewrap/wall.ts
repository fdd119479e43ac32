import type { Collected, CollectOptions, Observer, Program, Running, Wall } from '../../contracts/sandbox.ts';
import type { Watch } from '../shared/watch.ts';
import { type ReadyWall, usualLimits } from './erect.ts';
import { placeFiles } from './place.ts';
import { runWall } from './run.ts';
import { programScript } from './script.ts';

export interface WallUses {
  /** Called once the program is dead. */
  readonly pack: (ready: ReadyWall, options: CollectOptions) => Promise<Collected>;
  readonly watch: Watch;
  /** Called once, at `remove`. */
  readonly tearDown: (ready: ReadyWall) => Promise<void>;
}

export function createWall(ready: ReadyWall, { pack, tearDown, watch }: WallUses): Wall {
  const state: { running: Running | undefined; removal: Promise<void> | undefined } = {
    running: undefined,
    removal: undefined,
  };
  const end = async () => {
    state.running?.kill('stopped');
    ready.standing.kill();
    await state.running?.ended;
    await ready.standing.exited;
  };
  const remove = async () => {
    await end();
    await tearDown(ready);
  };
  return {
    place: async (files) => {
      // Untrusted code may have left links in the way.
      if (state.running !== undefined) throw new Error('Files are placed before the program has started, never after.');
      // The slot may be another run's by now.
      if (state.removal !== undefined) throw new Error('Nothing is placed in a wall that was removed.');
      await placeFiles(ready.slot, files);
    },
    start: (program, observer) => {
      if (state.running !== undefined) throw new Error('A wall takes one program.');
      state.running = startProgram(ready, program, observer, watch);
      return state.running;
    },
    collect: async (options) => {
      await end();
      return pack(ready, options);
    },
    remove: () => {
      state.removal ??= remove();
      return state.removal;
    },
  };
}

const openFiles = 4096;
/** The kernel counts for a process what its runtime reserves and never touches: node alone some 560 MiB. */
const reservedBytes = 640 * 1024 ** 2;

function startProgram(ready: ReadyWall, program: Program, observer: Observer, watch: Watch): Running {
  const { holds } = ready.slot.cgroup;
  const { memoryBytes, processes, workspaceBytes } = program.limits;
  const script = programScript(program, {
    openFiles,
    fileBytes: workspaceBytes,
    ...(holds.memory ? {} : { dataBytes: memoryBytes + reservedBytes }),
    ...(holds.pids ? {} : { processes }),
  });
  return runWall(ready, { observer, limits: program.limits, prepared: prepare(ready, program, script), watch });
}

/** What must lie in its place before `go`. */
async function prepare({ slot }: ReadyWall, program: Program, script: string): Promise<void> {
  const { memoryBytes, cpus, processes } = program.limits;
  const isUsual =
    memoryBytes === usualLimits.memoryBytes && cpus === usualLimits.cpus && processes === usualLimits.processes;
  slot.writeProgram(script);
  slot.writeStdin(program.stdin);
  if (!isUsual) await slot.cgroup.limit(program.limits);
}
