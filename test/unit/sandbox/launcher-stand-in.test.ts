import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import { type LauncherInstance, makeLauncherInstance } from '../../fakes/launcher/instance.ts';

/** The rules that the stand-in keeps, each by its name: what is tested against it is worth as much as they are. */

const instances: LauncherInstance[] = [];
const given = mkdtempSync(join(tmpdir(), 'runyard-given-'));
afterAll(() => rmSync(given, { recursive: true }));
afterEach(() => {
  for (const instance of instances.splice(0)) instance.remove();
});

function newInstance(...settings: Parameters<typeof makeLauncherInstance>): LauncherInstance {
  const instance = makeLauncherInstance(...settings);
  instances.push(instance);
  return instance;
}

function call(instance: LauncherInstance, ...args: string[]): SpawnSyncReturns<string> {
  return spawnSync(instance.path, args, { encoding: 'utf8', env: { PATH: process.env.PATH, OUTER: 'seen' } });
}

/** An ordinary user may not join the namespaces that bubblewrap made. */
const canExec = process.getuid?.() === 0;

const sh = (text: string) => ['--', '/bin/sh', '-c', text];

test.each([
  ['an unknown command', ['frobnicate']],
  ['an unknown flag', ['do', '--frobnicate', ...sh('true')]],
  ['a flag of another command', ['exec', 'a', '--write', ...sh('true')]],
  ['a flag without its value', ['do', '--env']],
  ['no command', ['do']],
  ['no name', ['run', ...sh('true')]],
  ['a name that is a path', ['run', '../a', ...sh('true')]],
  ['a program without a path', ['do', '--', 'python3']],
  ['a relative working directory', ['do', '--workdir', 'tmp', ...sh('true')]],
  ['a relative mount', ['do', '--mount', 'type=bind,source=x,destination=/x', ...sh('true')]],
  ['a mount that is no bind', ['do', '--mount', 'type=tmpfs,destination=/x', ...sh('true')]],
  ['what is no part of it', ['do', '--allow-egress', ...sh('true')]],
])('%s is refused', (_, args) => {
  const { status, stderr } = call(newInstance(), ...args);
  expect([status, stderr]).toEqual([1, expect.stringMatching(/^Error: /)]);
});

describe('inside', () => {
  test('there is no environment but HOME and what --env gives, and no PATH to find anything by', () => {
    const { stdout } = call(newInstance(), 'do', '--env', 'A=b=c', '--', '/usr/bin/env');
    expect(
      stdout
        .trim()
        .split('\n')
        .filter((line) => !line.startsWith('PWD='))
        .toSorted(),
    ).toEqual(['A=b=c', 'HOME=/root']);
  });

  test('the root is the machine’s own and read-only, also in memory; --write opens it', () => {
    const probe = sh(
      `test -x ${process.execPath} && echo node; for f in /tmp/x /root/x /usr/x /x; do /usr/bin/touch $f 2>/dev/null && echo $f; done`,
    );
    expect(call(newInstance(), 'do', ...probe).stdout).toBe('node\n');
    expect(call(newInstance(), 'do', '--write', ...probe).stdout).toBe('node\n/tmp/x\n/root/x\n/x\n');
  });

  test('there is a /tmp of its own, and no network but the loopback', () => {
    const { stdout } = call(
      newInstance(),
      'do',
      ...sh('/bin/ls -A /tmp; /usr/bin/tail -n +3 /proc/net/dev | /usr/bin/cut -d: -f1'),
    );
    expect(stdout.trim()).toBe('lo');
  });

  test('mounts are as they were asked for', () => {
    mkdirSync(join(given, 'open'), { recursive: true });
    writeFileSync(join(given, 'open/file'), 'text');
    const mounts = ['open', 'shut'].map((name) => `type=bind,source=${join(given, 'open')},destination=/${name}`);
    const { stdout } = call(
      newInstance(),
      ...['do', '--mount', mounts[0]!, '--mount', `${mounts[1]},readonly`, '--workdir', '/shut'],
      ...sh('/bin/cat file; for d in /open /shut; do [ -w $d ] && echo $d; done; /bin/pwd'),
    );
    // Whose the folder is decides over the first: the guest is another user where the launcher is root.
    expect(stdout.replace('/open\n', '')).toBe('text/shut\n');
  });

  test('the guest is root without the capabilities to become somebody else', () => {
    const { stdout } = call(
      newInstance(),
      'do',
      ...sh('/usr/bin/id -u; /usr/bin/setpriv --reuid 1000 /bin/true 2>/dev/null || echo stays'),
    );
    expect(stdout).toBe('0\nstays\n');
  });
});

test('stdin, stdout, stderr and the exit code pass through do and run; noise goes to stderr alone', () => {
  const instance = newInstance();
  for (const verb of [['do'], ['run', 'named']]) {
    const { stdout, stderr, status } = spawnSync(instance.path, [...verb, ...sh('/bin/cat; echo err >&2; exit 7')], {
      encoding: 'utf8',
      input: 'in',
    });
    expect([stdout, status]).toEqual(['in', 7]);
    expect(stderr).toMatch(/^err\n.*network namespace/);
  }
  expect(instance.names()).toEqual([]);
});

describe('names', () => {
  test('live in one instance, once, until delete --force', () => {
    const [instance, other] = [newInstance(), newInstance()];
    const sleeping = ['--', '/bin/sleep', '600'];
    expect(call(instance, 'run', 'a', '--detach', ...sleeping).status).toBe(0);
    expect(call(instance, 'run', 'a', '--detach', ...sleeping).stderr).toContain('already exists');
    expect(call(instance, 'delete', 'a').stderr).toContain('--force');
    expect(call(other, 'exec', 'a', ...sh('true')).stderr).toContain('not running');
    expect(call(instance, 'delete', 'a', '--force').status).toBe(0);
    expect(call(instance, 'exec', 'a', ...sh('true')).stderr).toContain('not running');
    expect(call(instance, 'delete', 'never there', '--force').status).not.toBe(0);
    expect(call(instance, 'delete', 'never', '--force').status).toBe(0);
  });

  test.skipIf(!canExec)('exec joins a sandbox, and loses exit codes (needs root)', () => {
    const instance = newInstance();
    call(instance, 'run', 'a', '--detach', '--', '/bin/sleep', '600');
    expect(call(instance, 'exec', 'a', ...sh('echo joined; echo /proc/[0-9]*')).stdout).toMatch(/^joined\n\/proc\/1 /);
    expect([0, 3].map((code) => call(instance, 'exec', 'a', ...sh(`exit ${code}`)).status)).toEqual([0, 141]);
  });
});

test('a survivor holds the pipes after the end, and a start may be lost', async () => {
  const instance = newInstance({ survivorMs: 1_500, lostStarts: 1 });
  expect(call(instance, 'do', ...sh('echo never')).stderr).toMatch(/failed to exec in container.*137/);
  const child = spawn(instance.path, ['do', ...sh('echo once')], { stdio: ['ignore', 'pipe', 'pipe'] });
  const heard = { closed: false };
  child.stdout.resume().once('close', () => Object.assign(heard, { closed: true }));
  child.stderr.resume();
  await once(child, 'exit');
  expect(heard.closed).toBe(false);
  await vi.waitFor(() => expect(heard.closed).toBe(true), { timeout: 10_000 });
});
