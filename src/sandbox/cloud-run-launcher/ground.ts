import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, realpath, rename, rm, symlink } from 'node:fs/promises';
import { pid } from 'node:process';
import { makeFolder } from '../../lib/make-folder.ts';
import { processIdentity } from '../../lib/process-identity.ts';
import { createWatch, type Watch } from '../shared/watch.ts';
import { wipe } from '../shared/wipe.ts';
import { openWorkFolder, refuseWorkFolder } from '../shared/work-folder.ts';
import { createMemoryWatch, type MemoryWatch } from './memory.ts';
import type { LauncherOptions } from './options.ts';

/** What all walls of this process stand on; laid once, at the first need. */
export interface Ground {
  /** Its real path. */
  readonly workDir: string;
  /** What every wall sees as `/runyard`. */
  readonly runyard: string;
  readonly empty: string;
  readonly nodePath: string;
  /** Real paths of what no wall shows. */
  readonly hidden: readonly string[];
  readonly watch: Watch;
  readonly memory: MemoryWatch;
  makeWallFolder(name: string): Promise<WallFolder>;
  /** Gives up this process's own folder, once no wall has its place in it any more. */
  leave(): Promise<void>;
}

/** The place of one wall, on this side. */
export interface WallFolder {
  readonly workspace: string;
  remove(): Promise<void>;
}

/** Throws `sandbox_unavailable` where the work folder cannot be used. */
export async function layGround(options: LauncherOptions): Promise<Ground> {
  const workDir = await openWorkFolder(options.workDir);
  const folder = `${workDir}/${ownName()}`;
  try {
    makeFolder(folder, 0o700);
    const empty = `${folder}/empty`;
    await mkdir(empty, { recursive: true, mode: 0o755 });
    const nodePath = await realpath(options.nodePath);
    const runyard = `${folder}/runyard`;
    if (!existsSync(runyard)) await linkPrograms(runyard, { node: nodePath, claude: options.claudePath });
    const hidden = await realPathsOf([workDir, ...(options.hidden ?? [])]);
    const memory = createMemoryWatch(options.meminfoPath ?? '/proc/meminfo');
    const places = createPlaces(folder);
    return { ...{ workDir, runyard, empty, nodePath, hidden, memory }, ...places, watch: createWatch(workDir) };
  } catch (error) {
    return refuseWorkFolder(workDir, error);
  }
}

/** The root inside is the instance's own, so a link leads to the program. */
async function linkPrograms(runyard: string, programs: Record<string, string | undefined>): Promise<void> {
  const aside = `${runyard}.${randomUUID()}`;
  await mkdir(`${aside}/bin`, { recursive: true });
  for (const path of [aside, `${aside}/bin`]) await chmod(path, 0o755);
  for (const [name, path] of Object.entries(programs)) {
    if (path !== undefined) await symlink(await realpath(path), `${aside}/bin/${name}`);
  }
  await rename(aside, runyard);
}

async function realPathsOf(paths: readonly string[]): Promise<string[]> {
  const real = await Promise.all(paths.map((path) => realpath(path).catch(() => undefined)));
  return [...new Set(real.filter((path) => path !== undefined))];
}

/** No two processes of this instance have it, and nobody has it again. */
function ownName(): string {
  return `launcher-${pid}-${processIdentity(pid)!.startTime}`;
}

/** Deletes what runners of this instance left that are gone: their walls ended with them. */
export async function reclaimAbandoned(workDir: string): Promise<void> {
  const folders = (await readdir(workDir)).filter((name) => /^launcher-\d+-\d+$/.test(name));
  for (const name of folders.filter((folder) => !isOfLiving(folder))) await wipe(`${workDir}/${name}`);
}

function isOfLiving(folder: string): boolean {
  const [, owner, startTime] = folder.split('-');
  return processIdentity(Number(owner))?.startTime === startTime;
}

/**
 * Empty workspaces that whoever runs inside may write, each in a folder that nobody outside may enter: the launcher
 * alone decides who that is, and a setuid file in it is of no use to anybody.
 */
function createPlaces(folder: string): Pick<Ground, 'makeWallFolder' | 'leave'> {
  const state = { inUse: 0, isLeft: false };
  const leaveIfDone = async () => {
    if (state.isLeft && state.inUse === 0) await rm(folder, { recursive: true, force: true });
  };
  return {
    makeWallFolder: async (name) => {
      const path = `${folder}/${name}`;
      const workspace = `${path}/workspace`;
      const remove = async () => {
        await wipe(path);
        state.inUse -= 1;
        await leaveIfDone();
      };
      await mkdir(path, { mode: 0o700 });
      state.inUse += 1;
      try {
        await mkdir(workspace);
        await chmod(workspace, 0o777);
        return { workspace, remove };
      } catch (error) {
        await remove();
        throw error;
      }
    },
    leave: async () => {
      state.isLeft = true;
      await leaveIfDone();
    },
  };
}
