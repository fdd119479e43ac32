import { readdirSync, readFileSync } from 'node:fs';
import { kill, pid, ppid } from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';

/** Whether pid 1, as this process counts, is its parent: true in a wall, and hardly anywhere else. */
export function isFirstChild(): boolean {
  return ppid === 1;
}

const lookEveryMs = 5;
const patienceMs = 2_000;

/** Kills all there is in this wall beside this process and pid 1. What comes to life meanwhile is killed again. */
export async function killOthers(): Promise<void> {
  if (!isFirstChild()) return;
  const deadline = performance.now() + patienceMs;
  while (others().length > 0 && performance.now() < deadline) {
    try {
      kill(-1, 'SIGKILL');
    } catch {
      // Nobody is left.
    }
    await delay(lookEveryMs);
  }
}

/** Everything alive but this process and pid 1, which reaps the dead. */
function others(): string[] {
  return readdirSync('/proc').filter(
    (name) => /^\d+$/.test(name) && name !== '1' && name !== String(pid) && isAlive(name),
  );
}

function isAlive(process: string): boolean {
  try {
    const stat = readFileSync(`/proc/${process}/stat`, 'utf8');
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2));
  } catch {
    return false;
  }
}
