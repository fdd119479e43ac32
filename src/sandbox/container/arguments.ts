import { readFileSync } from 'node:fs';
import { type WallLimits, wallPaths } from '../../contracts/sandbox.ts';
import type { Engine } from './engine.ts';

const MiB = 1024 ** 2;
/** What lies in them counts for the container's memory too. */
const tmpfsBytes = { tmp: 1024 * MiB, sharedMemory: 512 * MiB };
const cpuPeriodMicroseconds = 100_000;

export interface ContainerArguments {
  readonly name: string;
  readonly image: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly limits: WallLimits;
  /** Of `python3`, which is pid 1. */
  readonly init: readonly string[];
}

/** Everything after the engine's name. Nothing of the host is mounted, and nothing of a program stands here. */
export function containerArguments(engine: Pick<Engine, 'kind' | 'limits'>, wanted: ContainerArguments): string[] {
  const { name, image, labels, limits, init } = wanted;
  return [
    ...['run', '--interactive', '--rm', '--pull', 'never', '--name', name, '--hostname', 'runyard'],
    ...Object.entries(labels).flatMap(([label, value]) => ['--label', `${label}=${value}`]),
    ...['--network', 'none', '--ipc', 'private', '--cgroupns', 'private', '--user', '1000:1000'],
    ...['--cap-drop', 'all', '--security-opt', 'no-new-privileges', '--read-only', '--no-healthcheck'],
    ...['--tmpfs', `/tmp:rw,exec,nosuid,nodev,mode=1777,size=${tmpfsBytes.tmp}`],
    ...['--shm-size', String(tmpfsBytes.sharedMemory)],
    // A volume without a name: on the engine's own disk, for memory is too dear, and gone with the container.
    ...['--mount', `type=volume,destination=${wallPaths.workspace}`, '--workdir', '/'],
    // An engine's own default may be more than it is allowed to give.
    ...['--ulimit', 'nofile=4096:4096', '--ulimit', 'core=0:0'],
    // The engine's log would be a second copy of everything on the host's disk.
    ...['--log-driver', 'none'],
    ...(engine.limits ? limitArguments(limits) : []),
    ...(engine.kind === 'podman' ? podmanArguments() : dockerArguments),
    ...['--entrypoint', '/usr/bin/python3', image, ...init],
  ];
}

function limitArguments({ memoryBytes, cpus, processes }: WallLimits): string[] {
  return [
    // Without swap: as much as memory means no more.
    ...['--memory', String(memoryBytes), '--memory-swap', String(memoryBytes), '--pids-limit', String(processes)],
    // Not --cpus, which docker refuses where the machine has fewer.
    ...['--cpu-period', String(cpuPeriodMicroseconds), '--cpu-quota', String(Math.round(cpus * cpuPeriodMicroseconds))],
  ];
}

/** Instead of the host's resolver and its domain. */
const dockerArguments = ['--dns', '127.0.0.1', '--dns-search', '.'];

/** What podman does of its own accord and docker does not: more to write to, the host's names and proxies. */
function podmanArguments(): string[] {
  const processes = processesMaxHere();
  return [
    ...['--read-only-tmpfs=false', '--http-proxy=false', '--no-hosts', '--sdnotify', 'ignore'],
    // The addresses and the domain of the host's resolver; it takes no --dns where there is no network.
    ...['--mount', 'type=bind,source=/dev/null,destination=/etc/resolv.conf,readonly'],
    ...(processes === undefined ? [] : ['--ulimit', `nproc=${processes}:${processes}`]),
  ];
}

/** The most that podman may set on this machine, where it is on this machine; it would ask for more by itself. */
function processesMaxHere(): number | undefined {
  try {
    const [, own] = /^Max processes\s+\S+\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    const pids = Number(readFileSync('/proc/sys/kernel/pid_max', 'utf8'));
    return own === 'unlimited' ? pids : Math.min(Number(own), pids);
  } catch {
    return undefined;
  }
}
