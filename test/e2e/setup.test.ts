import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

const setup = new URL('../../.config/setup.js', import.meta.url).pathname;
const isRoot = process.getuid?.() === 0;
const nobody = 65_534;
/** Also false where node lies in a folder that nobody else may enter. */
const canBecomeNobody =
  isRoot && spawnSync(process.execPath, ['--version'], { uid: nobody, gid: nobody, cwd: '/' }).status === 0;
const isLinux = process.platform === 'linux';
const places = { folder: '' };

beforeEach(() => {
  places.folder = mkdtempSync(join(tmpdir(), 'runyard-setup-'));
  chmodSync(places.folder, 0o777);
});
afterEach(() => rmSync(places.folder, { recursive: true }));

/** A program on the only PATH that the script sees. What it was called with is noted in `calls`. */
function program(name: string, body = 'exit 0') {
  const path = join(places.folder, name);
  writeFileSync(path, `#!/bin/sh\necho "${name} $*" >> ${places.folder}/calls\n${body}\n`);
  chmodSync(path, 0o755);
}

const bringsBwrap = () =>
  `case "$*" in *install*bubblewrap*) echo '#!/bin/sh' > ${places.folder}/bwrap; /bin/chmod 755 ${places.folder}/bwrap;; esac`;

function runSetup({ uid, within = '.' }: { uid?: number; within?: string } = {}) {
  writeFileSync(join(places.folder, 'calls'), '');
  chmodSync(join(places.folder, 'calls'), 0o666);
  const script = join(places.folder, within, 'setup.mjs');
  mkdirSync(join(places.folder, within), { recursive: true });
  copyFileSync(setup, script);
  const { status, stdout, stderr } = spawnSync(process.execPath, [script], {
    env: { PATH: places.folder },
    encoding: 'utf8',
    cwd: '/',
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  const calls = readFileSync(join(places.folder, 'calls'), 'utf8')
    .split('\n')
    .filter((line) => line !== '');
  return { status, stdout, stderr, calls };
}

test.skipIf(!isLinux)('with bubblewrap there, nothing is done and nothing is said (Linux only)', () => {
  program('bwrap');
  program('apt-get');
  expect(runSetup()).toEqual({ status: 0, stdout: '', stderr: '', calls: [] });
});

test.skipIf(!isRoot)('as root on Debian, bubblewrap is installed after one sentence (needs root)', () => {
  program('apt-get', bringsBwrap());
  const { status, stdout, stderr, calls } = runSetup();
  expect(calls).toEqual(['apt-get install -y --no-install-recommends bubblewrap']);
  expect(stderr).toBe('runyard: installing bubblewrap with apt-get, for the sandbox.\n');
  expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
});

test.skipIf(!isRoot)('empty lists are fetched, then it is tried again (needs root)', () => {
  program(
    'apt-get',
    `[ "$1" = update ] && touch ${places.folder}/lists && exit 0\n[ -e ${places.folder}/lists ] || exit 100\n${bringsBwrap()}`,
  );
  program('touch', '/usr/bin/touch "$@"');
  const { status, calls } = runSetup();
  expect(status).toBe(0);
  expect(calls.filter((call) => call.startsWith('apt-get')).map((call) => call.split(' ')[1])).toEqual([
    'install',
    'update',
    'install',
  ]);
});

test.skipIf(!isRoot)('a failing package manager fails nothing else: the command is printed (needs root)', () => {
  program('apt-get', 'exit 100');
  const { status, stderr } = runSetup();
  expect(status).toBe(0);
  expect(stderr).toMatch(/without bubblewrap\. Install with: apt-get install -y --no-install-recommends bubblewrap\n$/);
});

test.skipIf(!canBecomeNobody)(
  'an ordinary user without sudo is told the command, and nothing is tried (needs root to become one)',
  () => {
    program('apt-get', bringsBwrap());
    const { status, stderr, calls } = runSetup({ uid: nobody });
    expect({ status, calls }).toEqual({ status: 0, calls: [] });
    expect(stderr).toMatch(/Install with: sudo apt-get install -y --no-install-recommends bubblewrap\n$/);
  },
);

test.skipIf(!canBecomeNobody)(
  'an ordinary user whose sudo asks nothing is served by it; one that would be asked is not (needs root to become one)',
  () => {
    program('apt-get', bringsBwrap());
    program('sudo', '[ "$1" = -n ] || exit 1\nshift\nexec "$@"');
    program('true');
    expect(runSetup({ uid: nobody }).calls).toContain('sudo -n apt-get install -y --no-install-recommends bubblewrap');
    rmSync(join(places.folder, 'bwrap'));
    program('sudo', 'exit 1');
    const asked = runSetup({ uid: nobody });
    expect(asked.calls).toEqual(['sudo -n true']);
    expect(asked.stderr).toContain('Install with: sudo apt-get');
  },
);

test.skipIf(!isLinux).each([
  ['dnf', 'dnf install -y bubblewrap'],
  ['pacman', 'pacman -S --noconfirm bubblewrap'],
  ['zypper', 'zypper --non-interactive install bubblewrap'],
  ['apk', 'apk add bubblewrap'],
])('where %s is, its exact command is printed and not run (Linux only)', (name, command) => {
  program(name);
  const { status, stderr, calls } = runSetup();
  expect({ status, calls }).toEqual({ status: 0, calls: [] });
  expect(stderr).toContain(`without bubblewrap. Install with: ${isRoot ? '' : 'sudo '}${command}\n`);
});

test.skipIf(!isLinux)('a system without any known package manager is told what to look for (Linux only)', () => {
  expect(runSetup()).toMatchObject({
    status: 0,
    stderr: expect.stringContaining('the package manager of this system (bubblewrap)'),
  });
});

test.skipIf(!isLinux)('where npm prepares it as a dependency of others, it stays silent (Linux only)', () => {
  program('apt-get');
  expect(runSetup({ within: '_cacache/tmp' })).toEqual({ status: 0, stdout: '', stderr: '', calls: [] });
});
