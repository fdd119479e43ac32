import { createHash, randomUUID } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { chmod, lstat, readFile, readlink, rename, rm, writeFile } from 'node:fs/promises';
import { arch } from 'node:process';
import { RunyardError } from '../../contracts/errors.ts';
import { wallPaths } from '../../contracts/sandbox.ts';
import { makeFolder } from '../../lib/make-folder.ts';
import { seccompProgram } from '../shared/seccomp/program.ts';

/** What every wall is made of and none can change; made once, named by its content. */
export interface SharedFiles {
  readonly etc: string;
  readonly seccomp: string;
  /** `/usr` and the library folders of this machine, as arguments of bwrap. */
  readonly system: readonly string[];
  /** Files of /proc that everybody may read, and that are none of a program's business. */
  readonly hidden: readonly string[];
}

export async function sharedFiles(workDir: string): Promise<SharedFiles> {
  const contents: Record<string, string | Buffer> = {
    seccomp: seccompProgram(architecture()),
    ...(await etcFiles()),
  };
  const hash = createHash('sha256');
  for (const [path, content] of Object.entries(contents)) hash.update(`${path}\0${content.length}\0`).update(content);
  const folder = `${workDir}/shared/${hash.digest('hex')}`;
  if (!existsSync(folder)) await makeWhole(folder, contents);
  return {
    etc: `${folder}/etc`,
    seccomp: `${folder}/seccomp`,
    system: await systemMounts(),
    hidden: hostsOwn.map((name) => `/proc/${name}`).filter(isReadableByAll),
  };
}

/** What root alone may read, no wall may: its user is never root outside. Each mount costs bwrap a sixth of a millisecond. */
function isReadableByAll(path: string): boolean {
  const { mode } = statSync(path, { throwIfNoEntry: false }) ?? { mode: 0 };
  return (mode & 0o004) !== 0;
}

function architecture(): 'x64' | 'arm64' {
  if (arch === 'x64' || arch === 'arm64') return arch;
  throw new RunyardError(
    'sandbox_unavailable',
    `There is no system call filter for the processor architecture ${arch}.`,
    {
      hint: 'Runyard walls in programs on x64 and arm64 only.',
    },
  );
}

/** Written aside and renamed into place, so that a second runner never sees half of it. */
async function makeWhole(folder: string, contents: Record<string, string | Buffer>): Promise<void> {
  const aside = `${folder}.${randomUUID()}`;
  try {
    for (const path of ['', '/etc', ...etcMountPoints]) {
      makeFolder(aside + path, 0o755);
      await chmod(aside + path, 0o755);
    }
    for (const [path, content] of Object.entries(contents)) {
      await writeFile(`${aside}/${path}`, content);
      await chmod(`${aside}/${path}`, 0o444);
    }
    await chmod(`${aside}/..`, 0o755);
    await rename(aside, folder);
  } catch (error) {
    await rm(aside, { recursive: true, force: true });
    if (!existsSync(folder)) throw error;
  }
}

/** Of the kernel and the machine, not of any process: its command line, keys, addresses, log, configuration. */
const hostsOwn = [
  ...['cmdline', 'config.gz', 'iomem', 'ioports', 'kallsyms', 'kcore', 'key-users', 'keys', 'kmsg', 'kpagecgroup'],
  ...['kpagecount', 'kpageflags', 'modules', 'sched_debug', 'slabinfo', 'sysrq-trigger', 'timer_list', 'vmallocinfo'],
];

const etcMountPoints = ['/etc/ssl', '/etc/alternatives', '/etc/pki', '/etc/ca-certificates'];

async function etcFiles(): Promise<Record<string, string | Buffer>> {
  const copied = ['ld.so.cache', 'localtime', 'mime.types', 'services', 'protocols'];
  const copies: Record<string, Buffer> = {};
  for (const name of copied) {
    if (existsSync(`/etc/${name}`)) copies[`etc/${name}`] = await readFile(`/etc/${name}`);
  }
  return {
    ...copies,
    'etc/passwd': `root:x:0:0:root:/:/usr/sbin/nologin\nrunyard:x:1000:1000::${wallPaths.home}:/bin/bash\nnobody:x:65534:65534::/:/usr/sbin/nologin\n`,
    'etc/group': 'root:x:0:\nrunyard:x:1000:\nnogroup:x:65534:\n',
    'etc/hosts': '127.0.0.1 localhost runyard\n::1 localhost\n',
    'etc/nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files\nservices: files\nprotocols: files\n',
    'etc/resolv.conf': '',
    'etc/hostname': 'runyard\n',
  };
}

/** `/bin`, `/lib` and the like as this machine has them: links into `/usr`, or folders of their own. */
async function systemMounts(): Promise<string[]> {
  const mounts = ['--ro-bind', '/usr', '/usr'];
  for (const path of ['/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32']) {
    const stats = await lstat(path).catch(() => undefined);
    if (stats?.isSymbolicLink()) mounts.push('--symlink', await readlink(path), path);
    else if (stats?.isDirectory()) mounts.push('--ro-bind', path, path);
  }
  return mounts;
}
