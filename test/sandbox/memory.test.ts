import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { findCgroups } from '../../src/sandbox/bubblewrap/find-cgroups.ts';
import { describeWall, useSandbox } from './bench.ts';
import type { Attempt, Trial } from './harness.ts';
import { residentBytes, sharedMemoryBytes } from './host-view.ts';

const MiB = 1024 * 1024;
const limitBytes = 96 * MiB;
/** What the attackers want. Beyond it they stop by themselves, so that a wall that fails harms nobody. */
const wantedMiB = 1_000;
/** Without a memory cgroup only what a process has of its own is limited, process by process, and less exactly. */
const hasCgroup = (await findCgroups()).parents.memory !== undefined;
const because = hasCgroup ? '' : ' (skipped: no memory cgroup may be used here)';
/** What bwrap, init and python need beside it, and what the rest of the machine does meanwhile. */
const slackBytes = hasCgroup ? 120 * MiB : 760 * MiB;

/** Each wants `wantedMiB`, and comes to its last line only if it gets them. */
const inItsOwnPages = `
kept = []
for _ in range(${wantedMiB}): kept.append(bytearray(os.urandom(4096)) * 256)`;

const inOtherPlaces: Readonly<Record<string, string>> = {
  'in many small processes': `
for _ in range(${wantedMiB} // 50):
    if os.fork() == 0:
        kept = bytearray(50 * MiB)
        for at in range(0, len(kept), 4096): kept[at] = 1
        time.sleep(2)
        os._exit(0)
while True:
    try: os.wait()
    except ChildProcessError: sys.exit(1)`,
  'in a memfd that is mapped nowhere': `
fd = os.memfd_create('x')
for _ in range(${wantedMiB}): os.write(fd, b'x' * MiB)`,
  'in many memfds': `
for _ in range(${wantedMiB} // 10):
    fd = os.memfd_create('x')
    for _ in range(10): os.write(fd, b'x' * MiB)`,
  'in /tmp': `
for n in range(${wantedMiB} // 10): open(f'/tmp/{n}', 'wb').write(b'x' * 10 * MiB)`,
  'in /dev/shm': `
for n in range(${wantedMiB} // 10): open(f'/dev/shm/{n}', 'wb').write(b'x' * 10 * MiB)`,
  'in deleted files of /tmp': `
kept = []
for n in range(${wantedMiB} // 10):
    kept.append(open('/tmp/x', 'wb')); kept[-1].write(b'x' * 10 * MiB); kept[-1].flush(); os.unlink('/tmp/x')`,
  'in shared anonymous pages': `
import mmap
shared = mmap.mmap(-1, ${wantedMiB} * MiB)
for at in range(0, len(shared), 4096): shared[at] = 1`,
  'in System V segments': `
import ctypes
libc = ctypes.CDLL(None)
libc.shmat.restype = ctypes.c_void_p
for _ in range(${wantedMiB} // 20):
    at = libc.shmat(libc.shmget(0, 20 * MiB, 0o1600), None, 0)
    ctypes.memset(at, 1, 20 * MiB); libc.shmdt(ctypes.c_void_p(at))`,
  'in what sockets hold': `
import socket
kept = []
for _ in range(1500):
    pair = socket.socketpair(); pair[0].setblocking(False); kept.append(pair)
    try:
        while True: pair[0].send(b'x' * 65536)
    except BlockingIOError: pass`,
  'in empty files of /tmp': `
for n in range(400000): os.close(os.open(f'/tmp/{n}', os.O_CREAT | os.O_WRONLY))`,
};

describeWall('the memory of a wall', () => {
  const bench = useSandbox();

  /** The most that the attacker held at any moment: resident, or in tmpfs and memfd of the whole machine. */
  async function tryToTake(
    python: string,
    limits: Attempt['limits'] = {},
  ): Promise<{ trial: Trial; peakBytes: number }> {
    const sharedBefore = sharedMemoryBytes();
    let peakBytes = 0;
    const trial = await bench.attempt({
      python: `import os, sys, time\nMiB = 1 << 20\nprint('ready', flush=True)\ntime.sleep(0.1)\n${python}\nprint('took all of it', flush=True)\ntime.sleep(0.2)`,
      limits: { memoryBytes: limitBytes, ...limits },
      whileAlive: async (live) => {
        const deadlineMs = performance.now() + 8_000;
        while (live.programPids().length > 0 && performance.now() < deadlineMs) {
          const resident = residentBytes(live.pids());
          peakBytes = Math.max(peakBytes, resident, sharedMemoryBytes() - sharedBefore);
          await sleep(5);
        }
      },
    });
    return { trial, peakBytes };
  }

  async function expectRefused(python: string): Promise<void> {
    const { trial, peakBytes } = await tryToTake(python);
    expect(peakBytes).toBeLessThan(limitBytes + slackBytes);
    expect(trial.stdout).not.toContain('took all of it');
    expect([trial.end.cause, trial.end.exitCode === 0]).not.toEqual(['exited', true]);
  }

  test('W6: memory beyond the limit in its own pages is not to be had', () => expectRefused(inItsOwnPages));

  test.skipIf(!hasCgroup).each(Object.entries(inOtherPlaces))(
    `W6: memory beyond the limit %s is not to be had${because}`,
    (_, python) => expectRefused(python),
  );

  test.skipIf(!hasCgroup)(
    `W6: whose memory is used up is told so, and the next wall has its own${because}`,
    async () => {
      const { trial } = await tryToTake(inItsOwnPages);
      expect(trial.end).toMatchObject({ cause: 'out_of_memory', exitCode: null });
      const next = await bench.attempt({
        python: 'print(len(bytearray(40 << 20)))',
        limits: { memoryBytes: limitBytes },
      });
      expect(next).toMatchObject({ end: { cause: 'exited', exitCode: 0 }, stdout: `${40 * MiB}\n` });
    },
  );

  test('W6: memory below the limit is there', async () => {
    const trial = await bench.attempt({
      python: 'print(len(bytearray(200 << 20)))',
      limits: { memoryBytes: 300 * MiB },
    });
    expect(trial).toMatchObject({ end: { cause: 'exited', exitCode: 0 }, stdout: `${200 * MiB}\n` });
  });
});
