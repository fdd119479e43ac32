import { readdirSync, readlinkSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { RunyardError } from '../../contracts/errors.ts';
import { hasCode } from '../../lib/has-code.ts';
import { once } from '../../lib/once.ts';
import { readProc } from '../../lib/read-proc.ts';

/** bubblewrap has no time namespace. */
const namespaces = ['user', 'pid', 'net', 'ipc', 'uts', 'mnt', 'cgroup'];

/**
 * Looks from outside at the pid 1 that waits for its program: every namespace its own, a kernel uid that is not 0, a
 * filter, no capability, no descriptor beside those it was given. Throws `sandbox_unavailable` with what is amiss.
 */
export async function checkWall(pid: number, keptDescriptors: readonly number[]): Promise<void> {
  const flaws = [...sharedNamespaces(pid), ...flawsOfStatus(pid), ...(await strayDescriptors(pid, keptDescriptors))];
  if (flaws.length > 0) {
    throw new RunyardError(
      'sandbox_unavailable',
      `The wall was built with a hole and is not used: ${flaws.join('; ')}.`,
    );
  }
}

/** They never change: nothing here enters another. */
const ownNamespaces = once(() => new Map(namespaces.map((name) => [name, readlinkSync(`/proc/self/ns/${name}`)])));

function sharedNamespaces(pid: number): string[] {
  return namespaces
    .filter((name) => readlinkSync(`/proc/${pid}/ns/${name}`) === ownNamespaces().get(name))
    .map((name) => `the ${name} namespace is the host's own`);
}

function flawsOfStatus(pid: number): string[] {
  const status = readProc(`/proc/${pid}/status`);
  const field = (name: string) => new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1] ?? '';
  const uids = field('Uid').split(/\s+/).map(Number);
  return [
    ...(uids.length !== 4 || uids.some((uid) => !(uid > 0)) ? ['the kernel sees it as root'] : []),
    ...(field('Seccomp') === '2' ? [] : ['no system call filter is in force']),
    ...(field('NoNewPrivs') === '1' ? [] : ['it can gain privileges']),
    ...(/^0+$/.test(field('CapEff')) && /^0+$/.test(field('CapPrm')) ? [] : ['it has capabilities']),
  ];
}

const closeOnExec = 0o2000000;
const secondLookAfterMs = 20;

/** Descriptors that programs inside would have, beside the named ones: the runner inherited them and did not close them. */
async function strayDescriptors(pid: number, kept: readonly number[]): Promise<string[]> {
  const first = handedOn(pid, kept);
  if (first.length === 0) return [];
  // While init's shell redirects, it holds copies that are handed on until its next call: those are gone at a second look.
  await delay(secondLookAfterMs);
  const second = handedOn(pid, kept);
  return second
    .filter((descriptor) => first.includes(descriptor))
    .map((descriptor) => `descriptor ${descriptor} of the runner is open in it`);
}

function handedOn(pid: number, kept: readonly number[]): number[] {
  return readdirSync(`/proc/${pid}/fd`)
    .map(Number)
    .filter((descriptor) => !kept.includes(descriptor))
    .filter((descriptor) => {
      const flags = flagsOf(pid, descriptor);
      return flags !== undefined && (flags & closeOnExec) === 0;
    });
}

/** Undefined where it was closed meanwhile. */
function flagsOf(pid: number, descriptor: number): number | undefined {
  try {
    const info = readProc(`/proc/${pid}/fdinfo/${descriptor}`);
    return Number.parseInt(/^flags:\s*(\d+)$/m.exec(info)?.[1] ?? '0', 8);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}
