import { readFileSync, readlinkSync } from 'node:fs';
import { hasCode } from './has-code.ts';
import { once } from './once.ts';
import { readProc } from './read-proc.ts';

/** What makes a pid mean one process for good, on Linux. */
export interface ProcessIdentity {
  readonly boot: string;
  readonly pidNamespace: string;
  readonly pid: number;
  /** In clock ticks since the boot, as the kernel writes it. */
  readonly startTime: string;
}

/** Undefined where there is no such process, or it is a zombie. */
export function processIdentity(pid: number): ProcessIdentity | undefined {
  const stat = readStat(pid);
  if (stat === undefined || stat.state === 'Z' || stat.state === 'X') return undefined;
  return { ...ownMachine(), pid, startTime: stat.startTime };
}

/** Neither changes while this process lives. */
const ownMachine = once(() => ({
  boot: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
  pidNamespace: readlinkSync('/proc/self/ns/pid'),
}));

function readStat(pid: number): { state: string; startTime: string } | undefined {
  try {
    const stat = readProc(`/proc/${pid}/stat`);
    // The name in brackets may hold anything; the fields after it are numbers.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0]!, startTime: fields[19]! };
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'ESRCH')) return undefined;
    throw error;
  }
}
