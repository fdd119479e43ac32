import { existsSync } from 'node:fs';
import type { Sandbox } from '../../contracts/sandbox.ts';
import { wallPaths } from '../../contracts/sandbox.ts';
import { once } from '../../lib/once.ts';
import { programPath } from './arguments.ts';
import { type Blueprint, buildWall } from './build.ts';
import { bwrapMissing } from './messages.ts';
import { sharedFiles } from './shared-files.ts';
import { type Slot, takeSlot } from './slot.ts';
import { createWall } from './wall.ts';
import { openWorkFolder } from './work-folder.ts';

export interface BubblewrapOptions {
  /** Holds the slots' folders. As root every other user must be able to get through to it. */
  readonly workDir: string;
  /** Of the node and the claude that programs inside get. */
  readonly nodePath: string;
  readonly claudePath?: string;
  /** Walls kept ready ahead of need. */
  readonly slots: number;
}

/** The wall of bubblewrap. Nothing is touched before `warm` or `enter`. */
export function createBubblewrap(options: BubblewrapOptions): Sandbox {
  const ground = once(async () => {
    const bwrap = ['/usr/bin/bwrap', '/usr/local/bin/bwrap', '/bin/bwrap'].find((path) => existsSync(path));
    if (bwrap === undefined) throw bwrapMissing();
    const workDir = await openWorkFolder(options.workDir);
    return { bwrap, workDir, shared: await sharedFiles(workDir) };
  });

  const blueprintOf = async (slot: Slot): Promise<Blueprint> => {
    const { bwrap, shared } = await ground();
    return {
      bwrap,
      seccomp: shared.seccomp,
      mounts: {
        ...shared,
        readOnly: [
          { from: options.nodePath, to: wallPaths.node },
          ...(options.claudePath === undefined ? [] : [{ from: options.claudePath, to: wallPaths.claude }]),
          { from: slot.program, to: programPath },
        ],
        workspace: { from: slot.workspace, writable: true },
      },
    };
  };

  return {
    technology: 'bubblewrap',
    warm: () => undefined,
    enter: async () => {
      const { workDir } = await ground();
      const slot = await takeSlot(workDir);
      try {
        await slot.refresh();
        const standing = await buildWall(slot, await blueprintOf(slot));
        return createWall({ slot, standing, giveBack: (used) => used.release() });
      } catch (error) {
        await slot.release();
        throw error;
      }
    },
    close: () => Promise.resolve(),
  };
}
