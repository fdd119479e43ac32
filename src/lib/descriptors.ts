import { closeSync, readdirSync, readFileSync } from 'node:fs';
import { hasCode } from './has-code.ts';

const closeOnExec = 0o2000000;

/**
 * Closes what this process inherited and would hand on to every child: Node marks only the first descriptors as its
 * own. Called once at the start, before anything is opened. Linux only; elsewhere nothing happens.
 */
export function closeInheritedDescriptors(): void {
  for (const fd of openDescriptors()) {
    if (fd > 2 && !isCloseOnExec(fd)) closeSync(fd);
  }
}

function openDescriptors(): number[] {
  try {
    return readdirSync('/proc/self/fd').map(Number);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}

/** The descriptor that listed the others is gone by now: it counts as our own. */
function isCloseOnExec(fd: number): boolean {
  try {
    const flags = /^flags:\s+(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'));
    return flags === null || (Number.parseInt(flags[1]!, 8) & closeOnExec) !== 0;
  } catch {
    return true;
  }
}
