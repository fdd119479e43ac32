import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { arch } from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { closeInheritedDescriptors } from '../../src/lib/descriptors.ts';
import { groupsThatAre } from '../../src/sandbox/bubblewrap/abandoned-groups.ts';
import { findCgroups } from '../../src/sandbox/bubblewrap/find-cgroups.ts';
import { takeLease } from '../../src/sandbox/bubblewrap/lease.ts';
import { reclaimAbandoned } from '../../src/sandbox/bubblewrap/reclaim.ts';
import { describeWall } from './bench.ts';
import { until } from './harness.ts';
import { allPids, cmdlineOf, namespaceOf, pidsOfWall, pidsWithMarker, uidsOf } from './host-view.ts';
import { newWorkFolder } from './open.ts';
import { hunter } from './programs.ts';

const child = new URL('child.ts', import.meta.url).pathname;
const found = z.record(z.string(), z.string());
/** Starting a runner takes long where the machine is busy. */
const patience = () => AbortSignal.timeout(40_000);
/** What a runner leaves is gone then, though it would live for a minute. */
const soon = () => AbortSignal.timeout(15_000);
const newCanary = () => `runyard-canary-${randomBytes(16).toString('hex')}`;

interface Runner {
  readonly process: ChildProcess;
  output(): string;
  readonly ended: Promise<{ code: number | null; stdout: string; stderr: string }>;
}

describeWall('the runner beside the wall', () => {
  const state = { workDir: '', folder: '' };
  const running: ChildProcess[] = [];

  beforeAll(() => {
    closeInheritedDescriptors();
    state.workDir = newWorkFolder();
    state.folder = mkdtempSync(join(tmpdir(), 'runyard-battery-'));
  });
  afterAll(async () => {
    for (const one of running) one.kill('SIGKILL');
    await reclaimAbandoned(state.workDir);
    for (const folder of [state.workDir, state.folder]) rmSync(folder, { recursive: true, force: true });
  });

  function startRunner(
    prefix: readonly string[],
    attempt: { argv?: readonly string[] } & object,
    memory: string,
    env = {},
  ) {
    const files = 'files' in attempt && Array.isArray(attempt.files) ? attempt.files : [];
    const request = {
      workDir: state.workDir,
      argv: attempt.argv,
      files: files.map(({ path, content }) => ({ path, content: content.toString('base64') })),
      closesInherited: !prefix.includes('keeps-inherited'),
    };
    const [command = '', ...args] = [...prefix, process.execPath, child, JSON.stringify(request)];
    const started = spawn(command, args, { env: { PATH: '/usr/bin:/bin', ...env }, stdio: 'pipe' });
    running.push(started);
    started.stdin.end(memory);
    return following(started);
  }

  test('W3, prior A8a D4a: nothing of the runner’s environment, memory, arguments or open files is within reach', async () => {
    const canaries = { environment: newCanary(), memory: newCanary(), file: newCanary() };
    const path = join(state.folder, 'secret');
    writeFileSync(path, canaries.file);
    const own = newCanary();
    const { argv = [], files = [] } = hunter([]);
    const prefix = ['/bin/bash', '--norc', '-c', `exec 99<${path}; exec "$@"`, 'bash'];
    const attempt = { argv, files: [...files, { path: 'mine', content: Buffer.from(own) }] };
    const { code, stdout, stderr } = await startRunner(prefix, attempt, canaries.memory, {
      SECRET: canaries.environment,
    }).ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(Object.keys(found.parse(JSON.parse(lastLine(stdout))))).toEqual([own]);
  });

  test('W3: a runner that keeps what it inherited gets no wall, and the program does not run', async () => {
    const path = join(state.folder, 'secret');
    writeFileSync(path, newCanary());
    const prefix = ['/bin/bash', '--norc', '-c', `exec 99<${path}; exec "$@"`, 'keeps-inherited'];
    const { code, stdout, stderr } = await startRunner(prefix, { argv: ['/bin/echo', 'it ran'] }, '').ended;
    expect(stdout).toBe('entering\n');
    expect(stderr).toContain('descriptor 99');
    expect(code).toBe(3);
  });

  test('W4: a key in the session keyring of the caller is found by the caller’s programs and by none in the wall', async () => {
    const canary = newCanary();
    const numbers = arch === 'arm64' ? { add: 217, keyctl: 219 } : { add: 248, keyctl: 250 };
    const keeper = `
import ctypes, os, sys
call = ctypes.CDLL(None).syscall
assert call(${numbers.keyctl}, 1, None) > 0
key = call(${numbers.add}, b'user', b'runyard-battery', b'${canary}', ${canary.length}, -3)
assert key > 0 and call(${numbers.keyctl}, 5, key, 0x3f3f3f3f) == 0
os.execv(sys.argv[1], sys.argv[1:])`;
    const thief = `
import ctypes
call = ctypes.CDLL(None, use_errno=True).syscall
buffer = ctypes.create_string_buffer(4096)
found = []
for ring in (-1, -2, -3, -4, -5):
    key = call(${numbers.keyctl}, 10, ring, b'user', b'runyard-battery', 0)
    if key > 0 and call(${numbers.keyctl}, 11, key, buffer, 4096, 0) > 0: found.append(buffer.value.decode())
try: listed = open('/proc/keys').read()
except OSError: listed = ''
print(found, 'runyard-battery' in listed, flush=True)`;
    const inherits = ['/usr/bin/python3', '-c', keeper];
    const control = following(
      spawn(inherits[0] ?? '', [...inherits.slice(1), '/usr/bin/python3', '-c', thief], { stdio: 'pipe' }),
    );
    expect((await control.ended).stdout).toContain(canary);
    const { code, stdout } = await startRunner(inherits, { argv: ['/usr/bin/python3', '-c', thief] }, '').ended;
    expect(code).toBe(0);
    expect(lastLine(stdout)).toBe('[] False');
  });

  test('W6: a runner that is killed takes everything in its walls with it', async () => {
    const marker = `runyard-orphan-${randomBytes(8).toString('hex')}`;
    const stubborn = `
import os, signal, sys, time
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT): signal.signal(number, signal.SIG_IGN)
for _ in range(5):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0: time.sleep(60)
        os._exit(0)
print('ready', flush=True)
time.sleep(60)`;
    const runner = startRunner([], { argv: ['/usr/bin/python3', '-c', stubborn, marker] }, '');
    await until(() => runner.output().includes('ready'), patience());
    const inside = pidsWithMarker(marker).find((pid) => namespaceOf(pid, 'pid') !== namespaceOf(process.pid, 'pid'));
    const namespace = namespaceOf(inside ?? -1, 'pid') ?? '';
    const [uid = -1] = uidsOf(inside ?? -1);
    // init, the program and five that sleep; those between them may be ending just now.
    await until(() => pidsOfWall(namespace, uid).length >= 7, patience());
    runner.process.kill('SIGKILL');
    await runner.ended;
    await until(() => pidsOfWall(namespace, uid).length === 0 && pidsWithMarker(marker).length === 0, soon());
  });

  test('W6: the groups that a killed runner left are removed, whatever the work folder of the next', async () => {
    const runner = startRunner([], { argv: ['/bin/sh', '-c', 'echo ready; exec sleep 60'] }, '');
    await until(() => runner.output().includes('ready'), patience());
    const names = readdirSync(state.workDir).filter((name) => name.startsWith('runyard-'));
    expect(names.length).toBeGreaterThan(0);
    // Before: what it leaves is anybody's to remove the moment it is dead.
    const left = await groupsNow(names);
    expect(left.length > 0).toBe(Object.keys((await findCgroups()).parents).length > 0);
    runner.process.kill('SIGKILL');
    await runner.ended;
    const elsewhere = newWorkFolder();
    try {
      await reclaimAbandoned(elsewhere);
      const free = await namesNobodyHolds(names);
      expect((await groupsNow(free)).filter((group) => left.includes(group))).toEqual([]);
    } finally {
      rmSync(elsewhere, { recursive: true });
    }
  });

  test('W6: a runner killed at any moment of the start leaves no program behind', async () => {
    const marker = `runyard-orphan-${randomBytes(8).toString('hex')}`;
    const waitsMs = Array.from({ length: 5 }, (_, index) => 12 * index);
    const killed = waitsMs.map(async (waitMs) => {
      const runner = startRunner([], { argv: ['/bin/sleep', '61', marker] }, '');
      await until(() => runner.output().includes('entering'), patience());
      await sleep(waitMs);
      runner.process.kill('SIGKILL');
      await runner.ended;
    });
    await Promise.all(killed);
    const left = () =>
      allPids().filter((pid) => cmdlineOf(pid).includes(marker) && cmdlineOf(pid).startsWith('/bin/sleep'));
    await until(() => left().length === 0, soon());
  });
});

/** By inode: another runner may take the same name the moment it is free. */
async function groupsNow(names: readonly string[]): Promise<string[]> {
  const groups = await groupsThatAre();
  return names
    .flatMap((name) => groups.get(name) ?? [])
    .flatMap((path) => {
      const stats = statSync(path, { throwIfNoEntry: false });
      return stats === undefined ? [] : [`${path} ${stats.ino}`];
    });
}

/** The others were taken over by another runner of this machine, which makes their groups anew. */
async function namesNobodyHolds(names: readonly string[]): Promise<string[]> {
  const free: string[] = [];
  for (const name of names) {
    const lease = await takeLease(name);
    if (lease !== undefined) free.push(name);
    await lease?.release();
  }
  return free;
}

const lastLine = (text: string) => text.trimEnd().split('\n').at(-1) ?? '';

function following(started: ChildProcess): Runner {
  const text = { stdout: '', stderr: '' };
  started.stdout?.on('data', (chunk) => {
    text.stdout += chunk;
  });
  started.stderr?.on('data', (chunk) => {
    text.stderr += chunk;
  });
  const ended = new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
    started.once('close', (code) => resolve({ code, ...text }));
  });
  return { process: started, output: () => text.stdout, ended };
}
