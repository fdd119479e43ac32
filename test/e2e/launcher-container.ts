import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeLauncherInstance } from '../fakes/launcher/instance.ts';

/** Why a container cannot have the launcher here, in a word for the title; undefined where it can. */
export const lackingForLauncher = process.getuid?.() === 0 ? undefined : 'root, to mount the launcher where it lies';

/** A container of Cloud Run in which Google's launcher lies where Cloud Run puts it, and all folders of its runner. */
export interface LauncherContainer {
  /** The entry point, for `CloudRunOptions`. */
  readonly program: string;
  /** So that everything the runner keeps on disk lies below `folder`. */
  readonly env: Readonly<Record<string, string>>;
  readonly folder: string;
  /** What the launcher itself keeps on disk. */
  readonly launcherFolder: string;
  remove(): void;
}

const runner = fileURLToPath(new URL('../../dist/runner/main.js', import.meta.url));

/** In a mount namespace of its own, where `/usr/local` holds nothing but the launcher; signals and end are the runner's. */
const entryPoint = (launcher: string) => `
import { spawn } from 'node:child_process';
const script = 'mount -t tmpfs tmpfs /usr/local && mkdir -p /usr/local/gcp/bin && ln -s "$1" /usr/local/gcp/bin/sandbox && shift && exec "$@"';
const runner = [process.execPath, ${JSON.stringify(runner)}];
const child = spawn('unshare', ['--mount', '/bin/sh', '-c', script, 'sh', ${JSON.stringify(launcher)}, ...runner], { stdio: 'inherit' });
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => (signal === null ? process.exit(code) : process.kill(process.pid, signal)));
`;

export function makeLauncherContainer(): LauncherContainer {
  const instance = makeLauncherInstance();
  const folder = mkdtempSync(join(tmpdir(), 'runyard-instance-'));
  chmodSync(folder, 0o711);
  const places = { RUNYARD_WORK: join(folder, 'work'), HOME: join(folder, 'home'), TMPDIR: join(folder, 'tmp') };
  for (const path of Object.values(places)) mkdirSync(path, { mode: 0o711 });
  const program = join(folder, 'entry-point.mjs');
  writeFileSync(program, entryPoint(instance.path));
  return {
    program,
    env: places,
    folder,
    launcherFolder: join(instance.path, '..'),
    remove() {
      instance.remove();
      rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    },
  };
}
