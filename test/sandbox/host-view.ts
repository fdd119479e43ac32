import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { z } from 'zod';

/** What the host's own /proc tells about the processes of a wall. */

const errnoError = z.object({ code: z.string() });

/** A process may end between two looks; undefined then. Any other failure is one of the test. */
function ifAlive<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    const { code } = errnoError.parse(error);
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
}

export function allPids(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

export function cmdlineOf(pid: number): string {
  return ifAlive(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8')) ?? '';
}

export function pidsWithMarker(marker: string): number[] {
  return allPids().filter((pid) => pid !== process.pid && cmdlineOf(pid).includes(marker));
}

export const namespaceKinds = ['user', 'pid', 'net', 'ipc', 'uts', 'cgroup', 'mnt'] as const;
export type NamespaceKind = (typeof namespaceKinds)[number];

export function namespaceOf(pid: number, kind: NamespaceKind): string | undefined {
  return ifAlive(() => readlinkSync(`/proc/${pid}/ns/${kind}`));
}

/**
 * Every living process of a wall. By its uid too, because the kernel gives the number of a namespace
 * that has ended to the next one: another wall's, with another uid where walls have their own.
 */
export function pidsOfWall(pidNamespace: string, uid: number): number[] {
  return allPids().filter(
    (pid) => namespaceIfReadable(pid) === pidNamespace && uidsOf(pid).includes(uid) && isAlive(pid),
  );
}

/** An ordinary user may not look at the namespaces of others; those are not of a wall of ours. */
function namespaceIfReadable(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(errnoError.parse(error).code)) return undefined;
    throw error;
  }
}

/** The fields of /proc/PID/status; empty where the process is gone. */
export function statusOf(pid: number): Readonly<Record<string, string>> {
  const text = ifAlive(() => readFileSync(`/proc/${pid}/status`, 'utf8')) ?? '';
  return Object.fromEntries(
    text
      .split('\n')
      .map((line) => line.split(':\t', 2))
      .filter((pair) => pair.length === 2),
  );
}

/** Neither gone since somebody saw it, nor a zombie. */
export function isAlive(pid: number): boolean {
  return /^[^ZX]/.test(statusOf(pid).State ?? '');
}

/** The real, effective, saved and file-system uid. */
export function uidsOf(pid: number): number[] {
  return (statusOf(pid).Uid ?? '').split('\t').filter(Boolean).map(Number);
}

export function pidsOfUid(uid: number): number[] {
  return allPids().filter((pid) => uidsOf(pid).includes(uid));
}

export function residentBytes(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + 1024 * Number.parseInt(statusOf(pid).VmRSS ?? '0', 10), 0);
}

/** Memory of the whole machine in tmpfs and memfd, mapped or not. */
export function sharedMemoryBytes(): number {
  return 1024 * Number(/^Shmem:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1] ?? Number.NaN);
}

export function descriptorsOf(pid: number): ReadonlyMap<number, string> {
  const names = ifAlive(() => readdirSync(`/proc/${pid}/fd`)) ?? [];
  return new Map(
    names.flatMap((name) => {
      const target = ifAlive(() => readlinkSync(`/proc/${pid}/fd/${name}`));
      return target === undefined ? [] : [[Number(name), target] as const];
    }),
  );
}
