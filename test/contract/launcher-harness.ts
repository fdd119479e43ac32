import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KillReason, Running, Sandbox } from '../../src/contracts/sandbox.ts';
import { createLauncher, type LauncherOptions } from '../../src/sandbox/cloud-run-launcher/index.ts';
import { type LauncherInstance, type LauncherSettings, makeLauncherInstance } from '../fakes/launcher/instance.ts';

export interface LauncherBench {
  readonly sandbox: Sandbox;
  readonly instance: LauncherInstance;
  /** Holds the work folder `work`. */
  readonly base: string;
}

/** A wall of the launcher on an instance of its own; both are gone afterwards, whatever happens. */
export async function withLauncher(
  settings: LauncherSettings,
  use: (bench: LauncherBench) => Promise<void>,
  options: (base: string) => Partial<LauncherOptions> = () => ({}),
): Promise<void> {
  const base = mkdtempSync(join(tmpdir(), 'runyard-launcher-bench-'));
  chmodSync(base, 0o711);
  const instance = makeLauncherInstance(settings);
  const sandbox = createLauncher({
    launcherPath: instance.path,
    workDir: join(base, 'work'),
    nodePath: process.execPath,
    slots: 0,
    ...options(base),
  });
  try {
    await use({ sandbox, instance, base });
  } finally {
    await sandbox.close();
    instance.remove();
    rmSync(base, { recursive: true, force: true });
  }
}

/** Paths of all files below the folder in which the text stands. */
export function filesWith(text: string, folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => readFileSync(path).includes(text));
}

export const soon = () => AbortSignal.timeout(20_000);

/** Stops a program that has printed `up`. */
export function whenUp(look: () => void = () => undefined) {
  const up = Promise.withResolvers<void>();
  return {
    observer: {
      output: (_: string, chunk: Buffer) => {
        if (!chunk.includes('up')) return;
        look();
        up.resolve();
      },
    },
    kill: (reason: KillReason) => (running: Running) => void up.promise.then(() => running.kill(reason)),
  };
}
