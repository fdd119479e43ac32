import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What an instance does beside what is documented. */
export interface LauncherSettings {
  /** Before a sandbox stands. */
  readonly delayMs?: number;
  /** How long something outside of the sandbox holds its stdout and stderr after its end. */
  readonly survivorMs?: number;
  /** `delete` does its work and never returns. */
  readonly deleteHangs?: boolean;
  /** `delete` exits with 0 and does nothing. */
  readonly deleteDoesNothing?: boolean;
  /** So many sandboxes are lost before their program began. */
  readonly lostStarts?: number;
  /** The sandboxes share the network of this machine: a wall with a hole. */
  readonly sharesNetwork?: boolean;
  /** Said on stdout before anything else. */
  readonly chatter?: string;
  /** Once the instance is told to, something that is none of the guest's is said on stdout. */
  readonly saysGarbage?: boolean;
}

export interface LauncherInstance {
  /** Of the program. */
  readonly path: string;
  configure(settings: LauncherSettings): void;
  /** Names of the sandboxes that are alive. */
  names(): string[];
  /** Every call, in order: its arguments. */
  calls(): string[][];
  /** Of every sandbox that is alive and was set to it. */
  sayGarbage(): void;
  /** Ends what is alive and deletes everything. */
  remove(): void;
}

/** A fresh instance, which knows no other's sandboxes. */
export function makeLauncherInstance(settings: LauncherSettings = {}): LauncherInstance {
  const folder = mkdtempSync(join(tmpdir(), 'runyard-launcher-'));
  // As root the guests are another user, who must get through.
  chmodSync(folder, 0o711);
  for (const name of ['sandboxes', 'stages']) mkdirSync(join(folder, name), { mode: 0o711 });
  const path = join(folder, 'sandbox');
  const program = new URL('./sandbox.ts', import.meta.url).pathname;
  writeFileSync(path, `#!/bin/sh\nexec '${process.execPath}' --no-warnings '${program}' '${folder}' "$@"\n`);
  chmodSync(path, 0o755);
  const configure = (changed: LauncherSettings) =>
    writeFileSync(join(folder, 'settings.json'), JSON.stringify(changed));
  configure(settings);
  writeFileSync(join(folder, 'calls'), '');
  const sandboxes = join(folder, 'sandboxes');
  return {
    path,
    configure,
    names: () => readdirSync(sandboxes),
    calls: () =>
      readFileSync(join(folder, 'calls'), 'utf8')
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line)),
    sayGarbage: () => writeFileSync(join(folder, 'garbage'), ''),
    remove: () => {
      for (const name of readdirSync(sandboxes)) killByFile(join(sandboxes, name, 'pid'));
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

function killByFile(path: string): void {
  try {
    process.kill(Number(readFileSync(path, 'utf8')), 'SIGKILL');
  } catch {
    // It has ended, or never began.
  }
}
