import { spawn } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { findCgroups } from '../../src/sandbox/bubblewrap/find-cgroups.ts';
import { describeWall, useSandbox } from './bench.ts';
import { type LiveWall, type Trial, until } from './harness.ts';
import { isAlive, namespaceOf, pidsOfUid, pidsOfWall, pidsWithMarker } from './host-view.ts';
import { isRoot } from './open.ts';

const pidsCgroup = (await findCgroups()).parents.pids;
const soon = () => AbortSignal.timeout(20_000);

/** For attackers that would harm the machine if there were no wall: they end at once outside of one. */
const guard = `
import os, sys
if os.readlink('/proc/self/ns/pid') == ${JSON.stringify(readlinkSync('/proc/self/ns/pid'))}: sys.exit('there is no wall')
`;

/** Nothing of the wall is left: by its marker, by its pid namespace and, where it has its own, by its uid. */
function expectNothingLeft(trial: Trial): void {
  expect(pidsWithMarker(trial.marker)).toEqual([]);
  expect(trial.pidNamespace).toBeDefined();
  expect(trial.uid).toBeDefined();
  expect(pidsOfWall(trial.pidNamespace ?? '', trial.uid ?? -1)).toEqual([]);
  if (isRoot) expect(pidsOfUid(trial.uid ?? -1).filter(isAlive)).toEqual([]);
}

/** Only the program itself waits for it; whoever is gone because that has ended needs no telling. */
function tellToEnd(pid: number): void {
  try {
    process.kill(pid, 'SIGUSR1');
  } catch {
    expect(isAlive(pid)).toBe(false);
  }
}

describeWall('the processes of a wall', () => {
  const bench = useSandbox();

  test('W4: no process gets a namespace of its own inside, neither by hand nor by tools', async () => {
    const nested = `
import ctypes, os, subprocess, time
libc = ctypes.CDLL(None)
for flags in (0x10000000, 0x20000, 0x20000000, 0x40000000, 0x8000000, 0x4000000, 0x2000000, 0x80):
    if os.fork() == 0:
        libc.unshare(flags)
        time.sleep(60)
for command in (['unshare', '-Ur', 'sleep', '60'], ['bwrap', '--unshare-all', '--ro-bind', '/', '/', 'sleep', '60'], ['unshare', '-p', '-f', 'sleep', '60']):
    try: subprocess.Popen(command, stderr=subprocess.DEVNULL)
    except FileNotFoundError: pass
time.sleep(0.3)
print('ready', flush=True)
time.sleep(60)`;
    await bench.attempt({
      python: nested,
      whileAlive: (live) => {
        const pids = [...live.pids(), ...live.programPids()];
        expect(pids.length).toBeGreaterThanOrEqual(9);
        for (const kind of ['user', 'mnt', 'pid', 'net', 'ipc', 'uts', 'cgroup'] as const) {
          const found = pids.map((pid) => namespaceOf(pid, kind)).filter((one) => one !== undefined);
          expect([...new Set(found)], kind).toHaveLength(1);
        }
      },
    });
  });

  test('W6: kill -9 -1 inside ends that wall’s processes and nobody else', async () => {
    const bystander = spawn('/bin/sleep', ['60']);
    try {
      await bench.attempt({
        python: 'import time\nprint("ready", flush=True)\ntime.sleep(60)',
        whileAlive: async (neighbour) => {
          const before = neighbour.pids();
          const trial = await bench.attempt({
            python: `${guard}
import os, signal, time
child = os.fork()
if child == 0: time.sleep(60)
for number in (signal.SIGTERM, signal.SIGSTOP, signal.SIGKILL):
    for target in (1, -1):
        try: os.kill(target, number)
        except OSError: pass
print(os.WIFSIGNALED(os.waitpid(child, 0)[1]))`,
          });
          expect(trial.stdout.trim()).toBe('True');
          expect(trial.end).toMatchObject({ cause: 'exited', exitCode: 0 });
          expect(neighbour.pids()).toEqual(before);
        },
      });
      expect(bystander.exitCode ?? bystander.signalCode).toBeNull();
    } finally {
      bystander.kill('SIGKILL');
    }
  });

  test('W6, prior D4b: two walls at once see nothing of each other, neither files nor processes nor memory', async () => {
    const holder = `
import os, time, socket
for path in ('/workspace/of-the-other', '/tmp/of-the-other', '/dev/shm/of-the-other'): open(path, 'w').write('of-the-other')
listener = socket.socket(socket.AF_UNIX); listener.bind(chr(0) + 'of-the-other'); listener.listen()
tcp = socket.socket(); tcp.bind(('127.0.0.1', 4567)); tcp.listen()
print('ready', flush=True)
time.sleep(60)`;
    await bench.attempt({
      python: holder,
      whileAlive: async (neighbour) => {
        const trial = await bench.attempt({
          python: `
import glob, json, os, socket
def reaches(family, address):
    try: socket.socket(family).connect(address); return True
    except OSError: return False
files = [p for pattern in ('/*/of-the-other', '/*/*/of-the-other', '/proc/*/root/*/of-the-other', '/proc/*/root/*/*/of-the-other') for p in glob.glob(pattern)]
print(json.dumps({'files': files, 'pids': sorted(int(n) for n in os.listdir('/proc') if n.isdigit()), 'me': os.getpid(),
  'sockets': [reaches(socket.AF_UNIX, chr(0) + 'of-the-other'), reaches(socket.AF_INET, ('127.0.0.1', 4567))], 'names': open('/proc/net/unix').read().count('of-the-other')}))`,
        });
        const said = trial.said(
          z.object({
            files: z.array(z.string()),
            pids: z.array(z.int()),
            me: z.int(),
            sockets: z.array(z.boolean()),
            names: z.int(),
          }),
        );
        expect(said).toEqual({ files: [], pids: [1, said.me], me: said.me, sockets: [false, false], names: 0 });
        expect(neighbour.pids().length).toBeGreaterThanOrEqual(2);
      },
    });
  });

  test('W6: a fork bomb stays below its limit, is told where a cgroup counts, and dies whole', async () => {
    const processes = 60;
    const counted: number[] = [];
    const bomb = `${guard}
import os, time
print('ready', flush=True)
def bomb(forks, depth):
    for _ in range(forks if depth else 0):
        try:
            if os.fork() == 0:
                bomb(2, depth - 1)
                time.sleep(60)
        except OSError: time.sleep(0.002)
bomb(200, 2)
time.sleep(60)`;
    const trial = await bench.attempt({
      python: bomb,
      limits: { processes },
      whileAlive: async (live) => {
        const look = () => {
          counted.push(live.pids().length);
          return counted.at(-1)!;
        };
        await until(() => look() > processes / 2 && (pidsCgroup === undefined || live.processLimitMet() > 0), soon());
        for (let looks = 0; looks < 10; looks += 1) {
          await sleep(50);
          look();
        }
        live.kill('timed_out');
      },
      afterEnd: expectNothingLeft,
    });
    expect(Math.max(...counted)).toBeGreaterThan(processes / 2);
    expect(Math.max(...counted)).toBeLessThanOrEqual(processes + 4);
    expect(trial.end.cause).toBe('timed_out');
    expect(trial.processLimitMet).toBe(pidsCgroup === undefined ? 0 : 1);
  });

  const leavers: readonly [what: string, python: string][] = [
    ['children in sessions of their own', 'spawn(lambda: os.setsid())'],
    ['daemons by double fork', 'spawn(lambda: (os.setsid(), os.fork() and os._exit(0)))'],
    [
      'children that ignore every signal they can',
      'spawn(lambda: [signal.signal(n, signal.SIG_IGN) for n in range(1, 65) if n not in (9, 19, 32, 33)])',
    ],
    ['children that stopped themselves', 'spawn(lambda: os.kill(os.getpid(), signal.SIGSTOP))'],
    ['children that catch and fork anew', 'spawn(lambda: signal.signal(signal.SIGTERM, lambda *_: os.fork()))'],
    [
      'children that hold the output open and renamed themselves',
      'spawn(lambda: ctypes.CDLL(None).prctl(15, b"init", 0, 0, 0))',
    ],
  ];
  const leaver = (python: string, end: string) => `
import ctypes, os, signal, time
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
def spawn(first):
    for _ in range(8):
        if os.fork() == 0:
            first()
            while True: time.sleep(60)
${python}
time.sleep(0.1)
print('ready', flush=True)
${end}`;

  test.each(leavers)('W6: killed at its time limit, %s are gone', async (_, python) => {
    const trial = await bench.attempt({
      python: leaver(python, 'time.sleep(60)'),
      whileAlive: async (live: LiveWall) => {
        expect(live.pids().length).toBeGreaterThanOrEqual(10);
        live.kill('timed_out');
        await until(() => live.pids().length === 0, soon());
      },
      afterEnd: expectNothingLeft,
    });
    expect(trial.end).toMatchObject({ cause: 'timed_out', exitCode: null });
  });

  test.each(leavers)('W6: when the program itself has ended, %s are gone', async (_, python) => {
    const trial = await bench.attempt({
      python: leaver(python, 'signal.sigwait([signal.SIGUSR1]); os._exit(7)'),
      whileAlive: async (live: LiveWall) => {
        for (const pid of live.programPids()) tellToEnd(pid);
        await until(() => live.pids().length === 0, soon());
      },
      afterEnd: expectNothingLeft,
    });
    expect(trial.end).toMatchObject({ cause: 'exited', exitCode: 7 });
  });

  test('W6: the first reason for an end is the one that counts', async () => {
    const trial = await bench.attempt({
      python: 'import time\nprint("ready", flush=True)\ntime.sleep(60)',
      whileAlive: (live) => {
        live.kill('cancelled');
        live.kill('timed_out');
      },
      afterEnd: expectNothingLeft,
    });
    expect(trial.end.cause).toBe('cancelled');
  });
});
