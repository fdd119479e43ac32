import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { hasCode } from './has-code.ts';
import { once } from './once.ts';
import { readProc } from './read-proc.ts';

/** What makes a pid mean one process for good. */
export interface ProcessIdentity extends MachineIdentity {
  readonly pid: number;
  /** As this machine tells it: clock ticks since the boot, or a date. */
  readonly startTime: string;
}

/** What makes a pid of this machine mean what it means to us; it never changes while this process lives. */
export interface MachineIdentity {
  readonly boot: string;
  readonly pidNamespace: string;
}

/** How a machine tells of its processes. */
export interface ProcessTable {
  machine(): MachineIdentity;
  /** Undefined where there is no such process, or it is a zombie. */
  startTime(pid: number): string | undefined;
}

/** Undefined where there is no such process, or it is a zombie. */
export function processIdentity(pid: number, table = ownTable()): ProcessIdentity | undefined {
  const startTime = table.startTime(pid);
  return startTime === undefined ? undefined : { ...table.machine(), pid, startTime };
}

/** That of Linux, or of `ps` where there is no `/proc`. */
export const ownTable = once((): ProcessTable => (existsSync('/proc/self/stat') ? procTable() : psTable()));

export function procTable(): ProcessTable {
  return {
    machine: once(() => ({
      boot: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
      pidNamespace: readlinkSync('/proc/self/ns/pid'),
    })),
    startTime: startTimeInProc,
  };
}

function startTimeInProc(pid: number): string | undefined {
  try {
    const stat = readProc(`/proc/${pid}/stat`);
    // The name in brackets may hold anything; the fields after it are numbers.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19]!;
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'ESRCH')) return undefined;
    throw error;
  }
}

/** Every system's `ps` tells when a process began, to the second; the first one began with the boot. */
export function psTable(): ProcessTable {
  return {
    machine: once(() => ({ boot: startTimeByPs(1) ?? '', pidNamespace: 'none' })),
    startTime: startTimeByPs,
  };
}

/** Always in one language and one time zone, so that the same moment is always the same text. */
const psEnvironment = { PATH: '/bin:/usr/bin', LC_ALL: 'C', TZ: 'UTC' };
const psTimeoutMs = 5_000;

function startTimeByPs(pid: number): string | undefined {
  const line = psLine(pid);
  const [state = 'Z', ...start] = line.trim().split(/\s+/);
  return state.startsWith('Z') || start.length === 0 ? undefined : start.join(' ');
}

/** Empty where there is no such process: then `ps` exits with 1 and says nothing. */
function psLine(pid: number): string {
  try {
    const args = ['-o', 'stat=', '-o', 'lstart=', '-p', String(pid)];
    const stdio = ['ignore', 'pipe', 'ignore'] as const;
    return execFileSync('ps', args, { env: psEnvironment, encoding: 'utf8', timeout: psTimeoutMs, stdio: [...stdio] });
  } catch (error) {
    if (error instanceof Error && 'status' in error && error.status === 1) return '';
    throw error;
  }
}
