import { readdir, readlink } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { RunyardError } from '../../contracts/errors.ts';
import { readProc } from '../../lib/read-proc.ts';

/** bubblewrap has no time namespace. */
const namespaces = ['user', 'pid', 'net', 'ipc', 'uts', 'mnt', 'cgroup'];

/**
 * Looks from outside at the pid 1 that waits for its program: every namespace its own, a kernel uid that is not 0, a
 * filter, no capability, no descriptor beside those it was given. Throws `sandbox_unavailable` with what is amiss.
 */
export async function checkWall(pid: number, keptDescriptors: readonly number[]): Promise<void> {
  const flaws = [
    ...(await sharedNamespaces(pid)),
    ...(await flawsOfStatus(pid)),
    ...(await strayDescriptors(pid, keptDescriptors)),
  ];
  if (flaws.length > 0) {
    throw new RunyardError(
      'sandbox_unavailable',
      `The wall was built with a hole and is not used: ${flaws.join('; ')}.`,
    );
  }
}

async function sharedNamespaces(pid: number): Promise<string[]> {
  const flaws = namespaces.map(async (name) => {
    const [inside, outside] = await Promise.all([
      readlink(`/proc/${pid}/ns/${name}`),
      readlink(`/proc/self/ns/${name}`),
    ]);
    return inside === outside ? [`the ${name} namespace is the host's own`] : [];
  });
  return (await Promise.all(flaws)).flat();
}

async function flawsOfStatus(pid: number): Promise<string[]> {
  const status = await readProc(`/proc/${pid}/status`);
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
  const first = await handedOn(pid, kept);
  if (first.length === 0) return [];
  // While init's shell redirects, it holds copies that are handed on until its next call: those are gone at a second look.
  await delay(secondLookAfterMs);
  const second = await handedOn(pid, kept);
  return second
    .filter((descriptor) => first.includes(descriptor))
    .map((descriptor) => `descriptor ${descriptor} of the runner is open in it`);
}

async function handedOn(pid: number, kept: readonly number[]): Promise<number[]> {
  const open = (await readdir(`/proc/${pid}/fd`)).map(Number).filter((descriptor) => !kept.includes(descriptor));
  const flags = await Promise.all(open.map((descriptor) => flagsOf(pid, descriptor)));
  return open.filter((_, index) => flags[index] !== undefined && (flags[index] & closeOnExec) === 0);
}

/** Undefined where it was closed meanwhile. */
async function flagsOf(pid: number, descriptor: number): Promise<number | undefined> {
  try {
    const info = await readProc(`/proc/${pid}/fdinfo/${descriptor}`);
    return Number.parseInt(/^flags:\s*(\d+)$/m.exec(info)?.[1] ?? '0', 8);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
