import { wallPaths } from '../../contracts/sandbox.ts';
import { wallPath } from '../shared/environment.ts';

/** Descriptors of bwrap; the handshake alone goes on to init. dash knows one digit only. */
export const descriptors = { args: 3, seccomp: 4, info: 5, handshake: 6, ipc: 7, stderr: 8 } as const;

const MiB = 1024 ** 2;
/** tmpfs has no other bound; where there is a memory cgroup, what lies in them counts for it too. */
const tmpfsBytes = { tmp: 1024 * MiB, sharedMemory: 512 * MiB };

/** Where a wall sees what its slot gives it: one folder, because bwrap reads the whole mount table after every mount. */
export const givenPath = '/runyard';
const initPath = '/runyard/init';
export const programPath = '/runyard/program';
/** Read-only, so that not even its owner can write what lies below on the host. */
export const stdinPath = '/runyard/stdin';

/** What bwrap starts as pid 1. The name makes it possible to find what an ended runner left. */
export function wallCommand(name: string): readonly string[] {
  return ['/bin/sh', initPath, name];
}

export interface Mounts {
  /** `/usr` and the library folders of this machine, as arguments. */
  readonly system: readonly string[];
  /** What the host's /proc tells of the host. */
  readonly hidden: readonly string[];
  /** Folder that holds what every wall sees as its `/etc`. */
  readonly etc: string;
  /**
   * Host paths to show read-only, what the slot gives first. It holds init and comes after all that makes the wall, so
   * that arguments cut off before it run nothing; cut off after it, init finds nobody who says `go`.
   */
  readonly readOnly: readonly { readonly from: string; readonly to: string }[];
  readonly workspace: { readonly from: string; readonly writable: boolean };
}

/** All options of a wall, in an order that is safe to cut off anywhere: namespaces first, init after what makes the wall. */
export function wallArguments(mounts: Mounts): Buffer {
  const options = [
    ...['--unshare-user', '--disable-userns', '--unshare-pid', '--unshare-net', '--unshare-ipc', '--unshare-uts'],
    ...['--unshare-cgroup', '--uid', '1000', '--gid', '1000', '--hostname', 'runyard'],
    ...['--die-with-parent', '--as-pid-1', '--new-session', '--clearenv'],
    ...['--setenv', 'PATH', wallPath, '--setenv', 'HOME', wallPaths.home, '--setenv', 'LANG', 'C.UTF-8'],
    ...['--seccomp', String(descriptors.seccomp), '--info-fd', String(descriptors.info)],
    ...['--chdir', wallPaths.workspace],
    ...mounts.system,
    ...['--ro-bind', mounts.etc, '/etc'],
    ...['/etc/ssl', '/etc/alternatives', '/etc/pki', '/etc/ca-certificates'].flatMap((path) => [
      '--ro-bind-try',
      path,
      path,
    ]),
    ...['--proc', '/proc'],
    ...mounts.hidden.flatMap((path) => ['--ro-bind', '/dev/null', path]),
    ...['--remount-ro', '/proc', '--dev', '/dev'],
    ...['--perms', '1777', '--size', String(tmpfsBytes.sharedMemory), '--tmpfs', '/dev/shm', '--remount-ro', '/dev'],
    ...[
      '--perms',
      '1777',
      '--size',
      String(tmpfsBytes.tmp),
      '--tmpfs',
      '/tmp',
      '--perms',
      '0700',
      '--dir',
      wallPaths.home,
    ],
    ...[mounts.workspace.writable ? '--bind' : '--ro-bind', mounts.workspace.from, wallPaths.workspace],
    ...mounts.readOnly.flatMap(({ from, to }) => ['--ro-bind', from, to]),
    ...['--remount-ro', '/'],
  ];
  return Buffer.from(options.map((option) => `${option}\0`).join(''));
}
