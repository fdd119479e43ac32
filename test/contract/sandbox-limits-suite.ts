import { describe, expect, test } from 'vitest';
import type { Sandbox } from '../../src/contracts/sandbox.ts';
import { runIn } from './sandbox-harness.ts';

const MiB = 1024 ** 2;

export interface LimitsHere {
  /** Whether the kernel counts a wall's memory and processes as a whole: else each process has limits of its own. */
  readonly counted: boolean;
}

/** What a program may use, and what is told when it wants more. */
export function sandboxLimitsContract(name: string, sandbox: () => Sandbox, { counted }: LimitsHere): void {
  describe(`${name}: limits`, () => {
    const eat = 'x = []\nwhile True: x.append(b"x" * 10_000_000)';

    test.skipIf(!counted)('on memory end the program as out_of_memory (needs a memory cgroup)', async () => {
      const { end } = await runIn(sandbox(), { python: eat, limits: { memoryBytes: 64 * MiB } });
      expect(end).toMatchObject({ cause: 'out_of_memory', exitCode: null });
    });

    test.skipIf(!counted)('on memory count what lies in /tmp and /dev/shm (needs a memory cgroup)', async () => {
      const { end } = await runIn(sandbox(), {
        bash: 'head -c 60000000 /dev/zero > /tmp/x; head -c 60000000 /dev/zero > /dev/shm/y; echo survived',
        limits: { memoryBytes: 64 * MiB },
      });
      expect(end.cause).toBe('out_of_memory');
    });

    test.skipIf(!counted)('on memory forgive what the program survives (needs a memory cgroup)', async () => {
      const { end, stdout } = await runIn(sandbox(), {
        bash: `python3 -c '${eat}'; echo $?; exit 0`,
        limits: { memoryBytes: 64 * MiB },
      });
      expect(end).toMatchObject({ cause: 'exited', exitCode: 0 });
      expect(stdout).toBe('137\n');
    });

    test.skipIf(counted)('on memory hold for each process (without a memory cgroup)', async () => {
      const { end, stderr } = await runIn(sandbox(), { python: eat, limits: { memoryBytes: 128 * MiB } });
      expect(end).toMatchObject({ cause: 'exited', exitCode: 1 });
      expect(stderr).toContain('MemoryError');
    });

    test('on processes refuse the next one, and the run goes on', async () => {
      const told: string[] = [];
      const { end, stdout } = await runIn(sandbox(), {
        python: `
import os, time
children = 0
try:
  while children < 200:
    if os.fork() == 0: time.sleep(600)
    children += 1
except BlockingIOError: pass
print(children)`,
        limits: { processes: 40 },
        observer: { processLimitMet: () => void told.push('met') },
      });
      expect(end).toMatchObject({ cause: 'exited', exitCode: 0 });
      expect(Number(stdout)).toBeGreaterThan(30);
      expect(Number(stdout)).toBeLessThan(40);
      if (counted) expect(told).toEqual(['met']);
    });

    test('on the workspace end the program as disk_limit', async () => {
      const { end } = await runIn(sandbox(), {
        python: `
import time
for n in range(40):
  with open(f'f{n}', 'wb') as f: f.write(b'x' * 2_000_000)
time.sleep(600)`,
        limits: { workspaceBytes: 16 * MiB },
      });
      expect(end).toMatchObject({ cause: 'disk_limit', exitCode: null });
      expect(end.durationMs).toBeLessThan(30_000);
    });

    test('on the workspace count what was deleted and is still open', async () => {
      const { end } = await runIn(sandbox(), {
        python: `
import os, time
files = []
for n in range(40):
  f = open(f'f{n}', 'wb', 0); os.unlink(f'f{n}'); f.write(b'x' * 2_000_000); files.append(f)
time.sleep(600)`,
        limits: { workspaceBytes: 32 * MiB },
      });
      expect(end.cause).toBe('disk_limit');
      expect(end.durationMs).toBeLessThan(30_000);
    });

    test('on the workspace count its files', async () => {
      const { end } = await runIn(sandbox(), {
        python: `
import time
for n in range(3000): open(f'f{n}', 'w').close()
time.sleep(600)`,
        limits: { workspaceInodes: 2000 },
      });
      expect(end.cause).toBe('disk_limit');
      expect(end.durationMs).toBeLessThan(30_000);
    });

    test('on one file are the kernel’s own', async () => {
      const { stdout } = await runIn(sandbox(), {
        python: `
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try: open('x', 'wb').write(b'x' * 20_000_000)
except OSError as e: print(e.errno)`,
        limits: { workspaceBytes: 16 * MiB },
      });
      expect(stdout).toBe('27\n');
    });

    test('leave no core file', async () => {
      const { stdout } = await runIn(sandbox(), { bash: 'ulimit -c; ulimit -H -c' });
      expect(stdout).toBe('0\n0\n');
    });
  });
}
