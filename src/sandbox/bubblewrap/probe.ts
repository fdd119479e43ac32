import { execFile } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import { getuid } from 'node:process';
import { promisify } from 'node:util';
import { asRunyardError } from '../../contracts/errors.ts';
import type { Finding } from '../../contracts/sandbox.ts';
import { openWorkFolder } from '../shared/work-folder.ts';
import { bindablePath } from './binaries.ts';
import { findCgroups } from './find-cgroups.ts';
import { findBwrap } from './foundation.ts';
import { identities } from './identity.ts';
import { type BubblewrapOptions, createBubblewrap } from './index.ts';
import { installBubblewrap } from './messages.ts';

const run = promisify(execFile);

/** What is here of all that a wall needs, each part tried. Touches the work folder, and leaves no wall behind. */
export async function probeBubblewrap(options: BubblewrapOptions): Promise<Finding[]> {
  const bwrap = await bwrapFinding();
  if (bwrap.state === 'missing') return [bwrap];
  const findings = [
    identityFinding(),
    workFolderFinding(options.workDir),
    binaryFinding('node', options.nodePath, options.workDir),
    ...(options.claudePath === undefined ? [] : [binaryFinding('claude', options.claudePath, options.workDir)]),
    limitsFinding(),
    wallFinding(options),
  ];
  return [bwrap, ...(await Promise.all(findings)), ...(await appArmorFindings())];
}

async function bwrapFinding(): Promise<Finding> {
  const subject = 'bubblewrap';
  const path = findBwrap();
  if (path === undefined)
    return { subject, state: 'missing', detail: 'bwrap is not installed', remedy: installBubblewrap };
  const { stdout } = await run(path, ['--version'], { env: {} });
  const { stdout: help } = await run(path, ['--help'], { env: {} });
  const detail = `${stdout.trim()} at ${path}`;
  if (!help.includes('--disable-userns')) {
    return { subject, state: 'missing', detail: `${detail} is too old`, remedy: 'Install bubblewrap 0.8 or newer.' };
  }
  if (((await stat(path)).mode & 0o4000) !== 0) {
    return {
      subject,
      state: 'limited',
      detail: `${detail} is setuid root, which no wall needs where users may make namespaces`,
      remedy: `sudo chmod u-s ${path}`,
    };
  }
  return { subject, state: 'ok', detail };
}

function identityFinding(): Promise<Finding> {
  return tried('user ids', async () => {
    const { length } = await identities();
    if (getuid!() !== 0) return 'walls run as you, each in a user namespace of its own';
    return `Runyard is root: each wall runs as one of ${length} user ids of its own`;
  });
}

function workFolderFinding(workDir: string): Promise<Finding> {
  return tried('work folder', async () => `${await openWorkFolder(workDir)} can be reached by the users of the walls`);
}

function binaryFinding(subject: string, path: string, workDir: string): Promise<Finding> {
  return tried(`${subject} inside`, async () => {
    const bound = await bindablePath(path, await openWorkFolder(workDir));
    return bound === path ? `${path} is shown inside` : `${path} is shown inside, from ${bound}`;
  });
}

async function limitsFinding(): Promise<Finding> {
  const subject = 'limits';
  const { version, parents } = await findCgroups();
  const counted = Object.keys(parents);
  if (parents.memory !== undefined && parents.pids !== undefined) {
    return { subject, state: 'ok', detail: `cgroup v${version} counts ${counted.join(', ')} of each wall as a whole` };
  }
  return {
    subject,
    state: 'limited',
    detail:
      `no cgroup that can be written counts ${['memory', 'pids'].filter((name) => !counted.includes(name)).join(' and ')}: ` +
      'memory is limited for each process, not for a run as a whole, and running out of it is not told as such',
    remedy: 'Start it by "systemd-run --user --scope runyard serve", or as root.',
  };
}

function wallFinding(options: BubblewrapOptions): Promise<Finding> {
  return tried('wall', async () => {
    const sandbox = createBubblewrap({ ...options, slots: 0 });
    try {
      const startedAtMs = performance.now();
      const wall = await sandbox.enter({ door: false, signal: AbortSignal.timeout(20_000) });
      const builtInMs = Math.round(performance.now() - startedAtMs);
      await wall.remove();
      return `built and checked in ${builtInMs} ms: namespaces, user id, system call filter, no capability`;
    } finally {
      await sandbox.close();
    }
  });
}

/** Told only where it is in force: on Ubuntu 24.04 and later it decides whether bwrap may make user namespaces. */
async function appArmorFindings(): Promise<Finding[]> {
  const path = '/proc/sys/kernel/apparmor_restrict_unprivileged_userns';
  const setting = await readFile(path, 'utf8').catch(() => '0');
  if (setting.trim() !== '1') return [];
  return [
    {
      subject: 'AppArmor',
      state: 'limited',
      detail: 'only programs with a profile may make user namespaces; where "wall" above is ok, bwrap has one',
      remedy: 'sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0',
    },
  ];
}

async function tried(subject: string, tryIt: () => Promise<string>): Promise<Finding> {
  try {
    return { subject, state: 'ok', detail: await tryIt() };
  } catch (error) {
    const { message, hint } = asRunyardError(error);
    return { subject, state: 'missing', detail: message, remedy: hint };
  }
}
