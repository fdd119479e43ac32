import { spawnSync } from 'node:child_process';
import { lstatSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import type { Program, Sandbox, Wall } from '../../src/contracts/sandbox.ts';
import { closeInheritedDescriptors } from '../../src/lib/descriptors.ts';
import { type Attempt, attemptLimits, type Trial, tryIn } from './harness.ts';
import { newWorkFolder, openSandbox } from './open.ts';

const missing =
  process.platform !== 'linux'
    ? 'Linux'
    : spawnSync('bwrap', ['--version']).error !== undefined
      ? 'bubblewrap'
      : undefined;

/** A group of attempts; skipped, and says so, where there can be no such wall. */
export function describeWall(title: string, tests: () => void): void {
  describe.skipIf(missing !== undefined)(missing === undefined ? title : `${title} (skipped: needs ${missing})`, tests);
}

export interface Bench {
  readonly workDir: string;
  readonly attempt: (attempt: Attempt) => Promise<Trial>;
  readonly enter: () => Promise<Wall>;
  readonly program: (argv: readonly string[]) => Program;
  /** Every file and folder of the sandbox's own on the host, workspaces among them. */
  readonly filesBelowWork: () => { path: string; uid: number; mode: number }[];
}

/** One real sandbox per test file, in a work folder of its own that is gone afterwards. */
export function useSandbox(): Bench {
  const state: { sandbox?: Sandbox; workDir?: string } = {};
  const sandbox = () => state.sandbox ?? fail();
  const workDir = () => state.workDir ?? fail();
  beforeAll(() => {
    closeInheritedDescriptors();
    state.workDir = newWorkFolder();
    state.sandbox = openSandbox(state.workDir);
  });
  afterAll(async () => {
    await state.sandbox?.close();
    if (state.workDir !== undefined) rmSync(state.workDir, { recursive: true, force: true });
  });
  return {
    get workDir() {
      return workDir();
    },
    attempt: (attempt) => tryIn(sandbox(), attempt),
    enter: () => sandbox().enter({ door: false, signal: AbortSignal.timeout(10_000) }),
    program: (argv) => ({ steps: [{ name: 'attempt', argv }], env: {}, stdin: Buffer.alloc(0), limits: attemptLimits }),
    filesBelowWork: () => walk(workDir()),
  };
}

function fail(): never {
  throw new Error('the sandbox is there inside of tests only');
}

function walk(folder: string): { path: string; uid: number; mode: number }[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    const stats = lstatSync(path);
    return [{ path, uid: stats.uid, mode: stats.mode }, ...(stats.isDirectory() ? walk(path) : [])];
  });
}
