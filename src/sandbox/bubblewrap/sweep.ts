import { readdir } from 'node:fs/promises';
import { kill } from 'node:process';
import { setTimeout as delay, setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { RunyardError } from '../../contracts/errors.ts';
import { hasCode } from '../../lib/has-code.ts';
import { readProc } from '../../lib/read-proc.ts';
import { wallCommand } from './arguments.ts';
import type { Identity } from './identity.ts';

const sweepTimeoutMs = 5_000;
const looksPerTurn = 16;

/**
 * Ends whatever an earlier holder of the identity left alive. Only who holds its lease may call this, and only while
 * no wall of it stands. Throws `sandbox_unavailable` where something of it cannot be ended.
 */
export async function sweep(identity: Identity): Promise<void> {
  const deadline = Date.now() + sweepTimeoutMs;
  for (;;) {
    const leftovers = await leftoversOf(identity);
    if (leftovers.length === 0) return;
    if (Date.now() > deadline) {
      throw new RunyardError(
        'sandbox_unavailable',
        `Processes of an earlier run would not end: ${leftovers.join(', ')}.`,
      );
    }
    for (const pid of leftovers) killIfThere(pid);
    await delay(5);
  }
}

/** SIGKILL for a process that may be gone already. */
export function killIfThere(pid: number): void {
  try {
    kill(pid, 'SIGKILL');
  } catch (error) {
    if (!hasCode(error, 'ESRCH')) throw error;
  }
}

async function leftoversOf(identity: Identity): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const found: number[] = [];
  for (const [index, pid] of pids.entries()) {
    if (belongsTo(identity, pid)) found.push(pid);
    // Done ahead of need, and beside calls that are not.
    if (index % looksPerTurn === 0) await turnOfTheLoop();
  }
  return found;
}

/** As root by the uid, which is the wall's alone. As an ordinary user by the name in the argument list. */
function belongsTo({ name, switchTo }: Identity, pid: number): boolean {
  if (switchTo === undefined) {
    const argv = readIfThere(`/proc/${pid}/cmdline`).split('\0').slice(0, -1);
    return argv.slice(-wallCommand(name).length).join('\0') === wallCommand(name).join('\0');
  }
  const status = readIfThere(`/proc/${pid}/status`);
  const uids = /^Uid:\s+(.*)$/m.exec(status)?.[1]?.split(/\s+/).map(Number) ?? [];
  const isZombie = /^State:\s+[ZX]/m.test(status);
  return !isZombie && uids.includes(switchTo.uid);
}

function readIfThere(path: string): string {
  try {
    return readProc(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // ENOENT, ESRCH: it ended meanwhile. EACCES, EPERM: another user's.
    if (code === 'ENOENT' || code === 'ESRCH' || code === 'EACCES' || code === 'EPERM') return '';
    throw error;
  }
}
