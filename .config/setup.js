// Leaves a checkout ready to run: brings the system packages without which no sandbox can be built, where that needs no
// question, and otherwise prints the command. Called by `npm install`, `npm test` and `npm run demo`; never fails them.
// Plain JavaScript without dependencies, because it runs before anything is built.
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What a sandbox needs of the system. It sees `/usr` alone, so a Python elsewhere does not count. */
const needs = [
  { name: 'bubblewrap', isThere: () => isOnPath('bwrap') },
  { name: 'python3', isThere: () => isExecutable('/usr/bin/python3') },
];

const installers = {
  'apt-get': ['apt-get', 'install', '-y', '--no-install-recommends'],
  dnf: ['dnf', 'install', '-y'],
  pacman: ['pacman', '-S', '--noconfirm'],
  zypper: ['zypper', '--non-interactive', 'install'],
  apk: ['apk', 'add'],
};
const stepTimeoutMs = 5 * 60_000;

setUp();

function setUp() {
  if (isDependencyOfOthers()) return;
  if (process.platform !== 'linux') {
    say(
      `${process.platform} has no bubblewrap: here a sandbox is a container of podman or docker; "runyard doctor" says what is missing. On Windows use WSL 2.`,
    );
    return;
  }
  const missing = namesOfMissing();
  if (missing.length === 0) return;
  const prefix = rootPrefix();
  if (isOnPath('apt-get') && prefix !== undefined) installWithApt(missing, prefix);
  const left = namesOfMissing();
  if (left.length > 0) say(`no sandbox can be built without ${left.join(' and ')}. Install with: ${commandFor(left)}`);
}

/** @param {string[]} names @param {string[]} prefix */
function installWithApt(names, prefix) {
  say(`installing ${names.join(' and ')} with apt-get, for the sandbox.`);
  const install = [...prefix, ...installers['apt-get'], ...names];
  if (succeeds(install)) return;
  // The lists of packages are empty on a fresh container and stale on an old one.
  succeeds([...prefix, 'apt-get', 'update']);
  succeeds(install);
}

/** What stands before a command that only root may run; undefined where that would ask for a password. */
function rootPrefix() {
  if (process.getuid?.() === 0) return [];
  return isOnPath('sudo') && succeeds(['sudo', '-n', 'true']) ? ['sudo', '-n'] : undefined;
}

/** @param {string[]} names */
function commandFor(names) {
  const [, installer] = Object.entries(installers).find(([program]) => isOnPath(program)) ?? [];
  if (installer === undefined) return `the package manager of this system (${names.join(', ')})`;
  return [...(process.getuid?.() === 0 ? [] : ['sudo']), ...installer, ...names].join(' ');
}

/** npm prepares a git dependency in its cache: nobody asked for system packages there. */
function isDependencyOfOthers() {
  return fileURLToPath(import.meta.url).includes('_cacache');
}

function namesOfMissing() {
  return needs.filter(({ isThere }) => !isThere()).map(({ name }) => name);
}

/** Its output goes to stderr; it is asked nothing. @param {string[]} command */
function succeeds([program, ...args]) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  return spawnSync(program, args, { stdio: ['ignore', 2, 2], env, timeout: stepTimeoutMs }).status === 0;
}

/** @param {string} program */
function isOnPath(program) {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  return folders.some((folder) => isExecutable(join(folder, program)));
}

/** @param {string} path */
function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** @param {string} sentence */
function say(sentence) {
  process.stderr.write(`runyard: ${sentence}\n`);
}
