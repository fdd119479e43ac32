import type { Server } from 'node:net';
import { join } from 'node:path';
import { RunyardError } from '../../contracts/errors.ts';
import type { Collected, CollectOptions, PlacedFile, Running, Wall } from '../../contracts/sandbox.ts';
import { refuseImpossible } from '../shared/environment.ts';
import type { Watch } from '../shared/watch.ts';
import type { ErectedWall } from './erect.ts';
import type { MemoryWatch } from './memory.ts';
import { runProgram } from './run.ts';

export interface WallUses {
  readonly watch: Watch;
  readonly memory: MemoryWatch;
  readonly door?: Server;
  /** Called once the program is dead. */
  readonly pack: (options: CollectOptions) => Promise<Collected>;
  /** Called once, at `remove`. */
  readonly tearDown: () => Promise<void>;
}

/** Of a file, in one message. */
const pieceBytes = 1024 ** 2;

export function createWall({ raised, folder }: ErectedWall, uses: WallUses): Wall {
  const state: { running: Running | undefined; removal: Promise<void> | undefined } = {
    running: undefined,
    removal: undefined,
  };
  const end = async () => {
    state.running?.kill('stopped');
    raised.kill();
    await state.running?.ended;
    await raised.exited;
  };
  const remove = async () => {
    await end();
    await uses.tearDown();
  };
  const place = async (file: PlacedFile) => {
    for (const piece of piecesOf(file)) {
      const answer = await raised.order({ order: 'place', ...piece });
      if (answer.answer !== 'done') throw notPlaced(answer.answer === 'failed' ? answer.reason : 'it ended');
    }
  };
  return {
    place: async (files) => {
      if (state.running !== undefined) throw new Error('Files are placed before the program has started, never after.');
      for (const file of files) await place(file);
    },
    start: (program, observer) => {
      if (state.running !== undefined) throw new Error('A wall takes one program.');
      refuseImpossible(program);
      state.running = runProgram(raised, program, observer, { ...uses, workspace: folder.workspace });
      return state.running;
    },
    collect: async (options) => {
      await end();
      return uses.pack(options);
    },
    remove: () => {
      state.removal ??= remove();
      return state.removal;
    },
  };
}

function piecesOf({ path, content, mode = 0o644 }: PlacedFile) {
  const inside = join(path);
  if (inside.startsWith('/') || inside === '..' || inside.startsWith('../') || inside.includes('\0')) {
    throw new RunyardError('invalid_request', 'A file lies outside of the workspace.');
  }
  const count = Math.max(1, Math.ceil(content.length / pieceBytes));
  return Array.from({ length: count }, (_, index) => ({
    path: inside,
    mode,
    content: Buffer.from(content.subarray(index * pieceBytes, (index + 1) * pieceBytes)).toString('base64'),
    append: index > 0,
  }));
}

function notPlaced(reason: string): RunyardError {
  return new RunyardError('sandbox_unavailable', `A file could not be placed in the sandbox: ${reason}.`);
}
