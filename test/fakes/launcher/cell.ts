import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, readdirSync, readlinkSync } from 'node:fs';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Flags } from './flags.ts';

/** A sandbox of the stand-in: bubblewrap around one command, and as root under a user id of nobody's. */
export interface Cell {
  readonly child: ChildProcess;
  /** Of the command, as this machine counts. Rejects where it was never started. */
  readonly pid: Promise<number>;
}

export interface CellOptions {
  readonly flags: Flags;
  /** A folder of its own, reachable for everybody. */
  readonly stage: string;
  readonly sharesNetwork: boolean;
}

/** Beyond what the walls of Runyard lease. */
const nobody = '61300';
/** Docker's, without those to change user, as users of the real one have found it. */
const capabilities = ['chown', 'dac_override', 'fowner', 'kill', 'setpcap', 'net_bind_service', 'sys_chroot', 'mknod'];

export function startCell({ flags, stage, sharesNetwork }: CellOptions): Cell {
  const isRoot = process.getuid?.() === 0;
  const sources = flags.mounts.map(({ source }) => source);
  // The launcher is root and reaches everything; its guests are not.
  const staged = isRoot ? sources.map((_, index) => `${stage}/${index}`) : sources;
  const args = bwrapArguments(flags, staged, sharesNetwork);
  const stdio: StdioOptions = flags.detach
    ? ['ignore', 'ignore', 'ignore', 'pipe']
    : ['inherit', 'inherit', 'inherit', 'pipe'];
  mkdirSync(stage, { mode: 0o755 });
  const child = isRoot
    ? spawn('unshare', ['--mount', '--', '/bin/sh', '-c', stageScript, 'sh', stage, ...sources, '--', ...args], {
        stdio,
        detached: flags.detach,
      })
    : spawn('bwrap', args, { stdio, detached: flags.detach });
  return { child, pid: pidOf(child) };
}

/** Binds each source to a place that everybody reaches, in a mount namespace of its own, and goes on as nobody. */
const stageScript = `set -e
stage=$1; shift
mount -t tmpfs -o mode=0755 stage "$stage"
index=0
while [ "$1" != -- ]; do
  if [ -d "$1" ]; then mkdir "$stage/$index"; else : > "$stage/$index"; fi
  mount --bind "$1" "$stage/$index"
  index=$((index + 1)); shift
done
shift
exec setpriv --reuid ${nobody} --regid ${nobody} --clear-groups --inh-caps=-all --bounding-set=-all -- bwrap "$@"`;

function bwrapArguments(flags: Flags, sources: readonly string[], sharesNetwork: boolean): string[] {
  const writable = flags.write ? ['/run', '/root', '/var/tmp'] : [];
  return [
    ...['--unshare-user', '--unshare-pid', '--unshare-ipc', '--unshare-uts', '--unshare-cgroup'],
    ...(sharesNetwork ? [] : ['--unshare-net']),
    ...['--uid', '0', '--gid', '0', '--hostname', 'localhost', '--as-pid-1', '--info-fd', '3'],
    ...capabilities.flatMap((name) => ['--cap-add', `cap_${name}`]),
    ...['--clearenv', '--setenv', 'HOME', '/root', ...flags.env.flatMap(setenv), '--chdir', flags.workdir],
    ...rootMounts(),
    ...[
      '--proc',
      '/proc',
      '--dev',
      '/dev',
      '--perms',
      '1777',
      '--tmpfs',
      '/dev/shm',
      '--perms',
      '1777',
      '--tmpfs',
      '/tmp',
    ],
    ...writable.filter((path) => existsSync(path)).flatMap((path) => ['--tmpfs', path]),
    // What the image brings lies elsewhere; a checkout may lie below a folder that is new inside.
    ...(/^\/(tmp|run|root|var\/tmp)\//.test(checkout) ? ['--ro-bind-try', checkout, checkout] : []),
    ...flags.mounts.flatMap(({ destination, readonly }, index) => [
      readonly ? '--ro-bind' : '--bind',
      sources[index]!,
      destination,
    ]),
    ...(flags.write ? [] : ['--remount-ro', '/tmp', '--remount-ro', '/']),
    '--',
    ...flags.command,
  ];
}

function setenv(assignment: string): string[] {
  const at = assignment.indexOf('=');
  return at === -1 ? [] : ['--setenv', assignment.slice(0, at), assignment.slice(at + 1)];
}

const checkout = fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, '');

/** Every entry of this machine's root, so that mount points can be made beside them. */
function rootMounts(): string[] {
  const own = ['proc', 'dev', 'sys', 'tmp'];
  return readdirSync('/')
    .filter((name) => !own.includes(name))
    .flatMap((name) => {
      const path = `/${name}`;
      if (lstatSync(path).isSymbolicLink()) return ['--symlink', readlinkSync(path), path];
      return ['--ro-bind-try', path, path];
    });
}

async function pidOf(child: ChildProcess): Promise<number> {
  const info = child.stdio[3];
  if (!(info instanceof Readable)) throw new Error('no descriptor for the pid');
  const chunks: Buffer[] = [];
  for await (const chunk of info) chunks.push(chunk);
  const told: { 'child-pid'?: number } = JSON.parse(Buffer.concat(chunks).toString() || '{}');
  if (told['child-pid'] === undefined) throw new Error('the sandbox was never started');
  return told['child-pid'];
}
