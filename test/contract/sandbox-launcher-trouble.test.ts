import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import { contention } from '../bench/load.ts';
import { filesWith, soon, whenUp, withLauncher } from './launcher-harness.ts';
import { runIn } from './sandbox-harness.ts';

describe('what users of the launcher have met', () => {
  test('W9: what it says of its networks is no output of the program', async () => {
    await withLauncher({ chatter: 'starting\n{"frame": 1}\n' }, async ({ sandbox }) => {
      const { stdout, stderr } = await runIn(sandbox, { bash: 'echo out; echo err >&2' });
      expect({ stdout, stderr }).toEqual({ stdout: 'out\n', stderr: 'err\n' });
    });
  });

  test('W6: survivors that hold the pipes hold up nobody', async () => {
    await withLauncher({ survivorMs: 70_000 }, async ({ sandbox }) => {
      // The test itself ends sooner than they do.
      const { end } = await runIn(sandbox, { bash: 'sleep 600 & exit 4' });
      expect(end).toMatchObject({ cause: 'exited', exitCode: 4 });
    });
  });

  test('W6: a delete that never returns, or does nothing, holds up no end', async () => {
    for (const settings of [{ deleteHangs: true }, { deleteDoesNothing: true }]) {
      const busy = contention();
      await withLauncher(settings, async ({ sandbox, instance }) => {
        const { observer, kill } = whenUp();
        const { end } = await runIn(sandbox, {
          bash: 'trap "" TERM; echo up; sleep 600',
          observer,
          meanwhile: kill('cancelled'),
        });
        expect(end).toMatchObject({ cause: 'cancelled', exitCode: null });
        expect(end.durationMs).toBeLessThan(8_000 * Math.max(busy, contention()));
        expect(instance.names()).toEqual([]);
      });
    }
  });

  test('W6: where our own program inside is stopped and delete does nothing, the launcher itself is killed', async () => {
    await withLauncher({ deleteDoesNothing: true }, async ({ sandbox }) => {
      const { end } = await runIn(sandbox, {
        bash: 'kill -STOP $PPID; sleep 600',
        meanwhile: (running) => void delay(1_000).then(() => running.kill('timed_out')),
      });
      expect(end.cause).toBe('timed_out');
      expect(end.durationMs).toBeLessThan(40_000);
    });
  });

  test('W6: where our own program inside answers nothing, an order does not wait for it for ever', async () => {
    await withLauncher({ deleteDoesNothing: true }, async ({ sandbox }) => {
      const wall = await sandbox.enter({ door: false, signal: soon() });
      for (const pid of programsInside()) process.kill(pid, 'SIGSTOP');
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
      try {
        const placing = wall.place([{ path: 'file', content: Buffer.from('x') }]).catch((error: unknown) => error);
        await vi.advanceTimersByTimeAsync(60_000);
        vi.useRealTimers();
        expect(await placing).toMatchObject({ code: 'sandbox_unavailable' });
      } finally {
        vi.useRealTimers();
        await wall.remove();
      }
    });
  });

  test('T1: who ends our own program inside ends the wall, and can imitate nobody', async () => {
    await withLauncher({}, async ({ sandbox }) => {
      const { end, stdout } = await runIn(sandbox, {
        door: true,
        bash: 'kill -KILL $PPID; sleep 1; echo still here',
      });
      expect(end).toMatchObject({ cause: 'lost', exitCode: null });
      expect(stdout).toBe('');
    });
  });

  test('T1: what is no frame ends the wall, whoever has written it', async () => {
    await withLauncher({ saysGarbage: true }, async ({ sandbox, instance }) => {
      const { end } = await runIn(sandbox, {
        bash: 'echo up; sleep 600',
        observer: { output: () => instance.sayGarbage() },
      });
      expect(end).toMatchObject({ cause: 'lost', exitCode: null });
    });
  });

  test('a sandbox that was lost before its program began is asked for once more; two are a refusal', async () => {
    await withLauncher({ lostStarts: 1 }, async ({ sandbox }) => {
      expect((await runIn(sandbox, { argv: ['echo', 'second'] })).stdout).toBe('second\n');
    });
    await withLauncher({ lostStarts: 2 }, async ({ sandbox, instance }) => {
      await expect(sandbox.enter({ door: false, signal: soon() })).rejects.toMatchObject({
        code: 'sandbox_unavailable',
        message: expect.stringContaining('exit status 137'),
      });
      expect(instance.names()).toEqual([]);
    });
  });

  test('where there is no launcher the refusal says how to get one', async () => {
    await withLauncher(
      {},
      async ({ sandbox }) => {
        await expect(sandbox.enter({ door: false, signal: soon() })).rejects.toMatchObject({
          code: 'sandbox_unavailable',
          message: expect.stringContaining('/usr/local/gcp/bin/sandbox'),
          hint: expect.stringContaining('runyard deploy'),
        });
      },
      () => ({ launcherPath: '/usr/local/gcp/bin/sandbox' }),
    );
  });
});

describe('what is left', () => {
  test('of walls that ran, that waited and that were given up while they were built: nothing', async () => {
    await withLauncher(
      {},
      async ({ sandbox, instance, base }) => {
        sandbox.warm();
        await runIn(sandbox, { bash: 'mkdir -p a/b; chmod 000 a; ln -s / root; mkfifo output/fifo' });
        for (const afterMs of [0, 50, 200]) {
          const entering = sandbox.enter({ door: true, signal: AbortSignal.timeout(afterMs) });
          // A wall that waited is there at once.
          await entering.then(
            (wall) => wall.remove(),
            ({ name }) => expect(name).toBe('TimeoutError'),
          );
        }
        const outliving = await sandbox.enter({ door: false, signal: soon() });
        await sandbox.close();
        expect(instance.names()).toHaveLength(1);
        await outliving.remove();
        expect([instance.names(), filesWith('', join(base, 'work'))]).toEqual([[], []]);
      },
      () => ({ slots: 1 }),
    );
  });

  test('of an instance whose memory runs out: the run ends as out_of_memory, before the instance does', async () => {
    const meminfo = (base: string) => join(base, 'meminfo');
    const available = (base: string, kB: number) =>
      writeFileSync(meminfo(base), `MemTotal: 1 kB\nMemAvailable: ${kB} kB\n`);
    await withLauncher(
      {},
      async ({ sandbox, base }) => {
        available(base, 4_000_000);
        const { end } = await runIn(sandbox, {
          bash: 'echo up; sleep 600',
          observer: { output: () => available(base, 100_000) },
        });
        expect(end).toMatchObject({ cause: 'out_of_memory', exitCode: null });
      },
      (base) => ({ meminfoPath: meminfo(base) }),
    );
  });
});

/** Of all walls of this test: the program that obeys the runner, as this machine counts. */
function programsInside(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && argumentsOf(name)[2] === '--max-semi-space-size=1' && isBelowUs(name))
    .map(Number);
}

function isBelowUs(pid: string): boolean {
  if (pid === String(process.pid)) return true;
  const [, parent = '0'] = /^PPid:\s*(\d+)$/m.exec(textOf(`/proc/${pid}/status`)) ?? [];
  return parent !== '0' && isBelowUs(parent);
}

function argumentsOf(pid: string): string[] {
  return textOf(`/proc/${pid}/cmdline`).split('\0');
}

/** Empty of a process that has ended meanwhile. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
