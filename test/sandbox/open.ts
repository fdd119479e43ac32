import { chmodSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Sandbox } from '../../src/contracts/sandbox.ts';
import { createBubblewrap } from '../../src/sandbox/bubblewrap/index.ts';

export const isRoot = process.getuid?.() === 0;

/** Outside of every home: as root the walls run as other users, who must get through to it. */
export function newWorkFolder(): string {
  const folder = mkdtempSync(join(isRoot ? '/var/lib' : tmpdir(), 'runyard-battery-work-'));
  chmodSync(folder, isRoot ? 0o711 : 0o700);
  return folder;
}

export function openSandbox(workDir: string): Sandbox {
  return createBubblewrap({ workDir, nodePath: process.execPath, slots: 1 });
}
