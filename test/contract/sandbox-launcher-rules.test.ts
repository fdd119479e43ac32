import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { KillReason, Running } from '../../src/contracts/sandbox.ts';
import { filesWith, withLauncher } from './launcher-harness.ts';
import { collectFrom, runIn } from './sandbox-harness.ts';

/** A word that stands nowhere else. */
const secret = `secret-${process.pid}-${Date.now()}`;
const soon = () => AbortSignal.timeout(20_000);

/** Stops a program that has printed `up`. */
function whenUp(look: () => void = () => undefined) {
  const up = Promise.withResolvers<void>();
  return {
    observer: {
      output: (_: string, chunk: Buffer) => {
        if (!chunk.includes('up')) return;
        look();
        up.resolve();
      },
    },
    kill: (reason: KillReason) => (running: Running) => void up.promise.then(() => running.kill(reason)),
  };
}

describe('what the launcher is told and shown', () => {
  test('W3: no argument list holds anything of a task; pid 1 and the runner keep their environment to themselves', async () => {
    await withLauncher({}, async ({ sandbox, instance }) => {
      const { stdout } = await runIn(sandbox, {
        files: [{ path: 'code', content: Buffer.from(secret) }],
        env: { SECRET: secret },
        stdin: secret,
        bash: `cat /proc/1/environ /proc/1/cmdline /proc/*/cmdline | tr '\\0' '\\n'; echo "$SECRET"; cat; cat code # ${secret}`,
        afterEnd: async (wall) => void (await collectFrom(wall, { select: async (paths) => paths })),
      });
      expect(stdout.endsWith(`${secret}\n${secret}${secret}`)).toBe(true);
      expect(JSON.stringify(instance.calls())).not.toContain(secret);
      expect(stdout).not.toContain(process.env.PATH);
    });
  });

  test('C4: nothing of a task lies on the disk while it runs, but the files of its own workspace', async () => {
    await withLauncher({}, async ({ sandbox, base }) => {
      const found: string[] = [];
      const { observer, kill } = whenUp(() => found.push(...filesWith(secret, base)));
      await runIn(sandbox, {
        files: [{ path: 'given/file', content: Buffer.from(secret) }],
        env: { SECRET: secret },
        stdin: secret,
        bash: `echo up; sleep 600 # ${secret}`,
        observer,
        meanwhile: kill('stopped'),
      });
      expect(found.map((path) => path.replace(/launcher-[\d-]+\/runyard-[0-9a-f]+/, 'WALL'))).toEqual([
        join(base, 'work/WALL/workspace/given/file'),
      ]);
      expect(filesWith(secret, base)).toEqual([]);
    });
  });

  test('C4: the root inside is the machine’s own, with the work folder and what is hidden covered', async () => {
    const home = (base: string) => join(base, 'home');
    await withLauncher(
      {},
      async ({ sandbox, base }) => {
        mkdirSync(home(base), { mode: 0o755 });
        writeFileSync(join(home(base), 'key'), secret, { mode: 0o644 });
        const { stdout } = await runIn(sandbox, {
          bash: `head -c 4 ${process.execPath} | tail -c 3; echo; ls -A ${home(base)} ${join(base, 'work')}; cat ${home(base)}/key 2>&1`,
        });
        expect(stdout).toBe(
          `ELF\n${home(base)}:\n\n${join(base, 'work')}:\ncat: ${home(base)}/key: No such file or directory\n`,
        );
      },
      (base) => ({ hidden: [home(base), join(base, 'not there')] }),
    );
  });

  test('C2: a wall from which the metadata server answers is refused, and nothing is run', async () => {
    const metadata = createServer((visitor) => visitor.destroy());
    await new Promise<void>((resolve) => metadata.listen(0, '127.0.0.1', resolve));
    const address = metadata.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const options = () => ({ metadata: { host: '127.0.0.1', port } });
    await withLauncher(
      { sharesNetwork: true },
      async ({ sandbox, instance, base }) => {
        await expect(sandbox.enter({ door: false, signal: soon() })).rejects.toMatchObject({
          code: 'sandbox_unavailable',
          message: expect.stringMatching(/hole.*metadata server answers/),
        });
        expect([instance.names(), filesWith('', join(base, 'work'))]).toEqual([[], []]);
      },
      options,
    );
    // The same address, behind a wall without a hole.
    await withLauncher({}, async ({ sandbox }) => void (await runIn(sandbox, { argv: ['true'] })), options);
    await new Promise((resolve) => metadata.close(resolve));
  });

  test('W2: a workspace lies where no other user gets in, and setuid bits are none that a file was placed with', async () => {
    await withLauncher({}, async ({ sandbox, base }) => {
      const modes: number[] = [];
      const { observer, kill } = whenUp(() => {
        const [file = ''] = filesWith(secret, base);
        for (const above of ['../..', '../../..']) modes.push(statSync(join(file, above)).mode & 0o777);
      });
      const printed: string[] = [];
      await runIn(sandbox, {
        files: [{ path: 'tool', content: Buffer.from(secret), mode: 0o6755 }],
        bash: 'stat -c %a tool; echo up; sleep 600',
        observer: {
          output: (stream, chunk) => {
            printed.push(chunk.toString());
            observer.output(stream, chunk);
          },
        },
        meanwhile: kill('stopped'),
      });
      expect(printed.join('')).toBe('755\nup\n');
      expect(modes).toEqual([0o700, 0o700]);
    });
  });

  test('W7: what a program left is packed by a second sandbox, which sees the workspace read-only', async () => {
    await withLauncher({}, async ({ sandbox, instance }) => {
      await runIn(sandbox, {
        bash: 'echo x > output/x',
        afterEnd: async (wall) => void (await collectFrom(wall)),
      });
      const mounts = instance
        .calls()
        .map((call) =>
          call.find((arg) => arg.endsWith('destination=/workspace') || arg.includes('destination=/workspace,')),
        );
      expect(mounts.filter(Boolean).map((mount) => mount?.endsWith(',readonly'))).toEqual([false, true]);
    });
  });

  test('W8: nothing is placed once a program has begun', async () => {
    await withLauncher({}, async ({ sandbox }) => {
      const wall = await sandbox.enter({ door: false, signal: soon() });
      const program = { steps: [{ name: 'x', argv: ['true'] }], env: {}, stdin: Buffer.alloc(0) };
      const limits = { memoryBytes: 2 ** 29, cpus: 1, processes: 64, workspaceBytes: 2 ** 20, workspaceInodes: 99 };
      await wall.start({ ...program, limits }, { output: () => undefined }).ended;
      await expect(wall.place([{ path: 'x', content: Buffer.alloc(1) }])).rejects.toThrow(/before/);
      await wall.remove();
    });
  });
});

describe('what users of the launcher have met', () => {
  test('W9: what it says of its networks is no output of the program', async () => {
    await withLauncher({ chatter: 'starting\n{"frame": 1}\n' }, async ({ sandbox }) => {
      const { stdout, stderr } = await runIn(sandbox, { bash: 'echo out; echo err >&2' });
      expect({ stdout, stderr }).toEqual({ stdout: 'out\n', stderr: 'err\n' });
    });
  });

  test('W6: survivors that hold the pipes hold up nobody', async () => {
    await withLauncher({ survivorMs: 20_000 }, async ({ sandbox }) => {
      const startedAt = performance.now();
      const { end } = await runIn(sandbox, { bash: 'sleep 600 & exit 4' });
      expect(end).toMatchObject({ cause: 'exited', exitCode: 4 });
      expect(performance.now() - startedAt).toBeLessThan(12_000);
    });
  });

  test('W6: a delete that never returns, or does nothing, holds up no end', async () => {
    for (const settings of [{ deleteHangs: true }, { deleteDoesNothing: true }]) {
      await withLauncher(settings, async ({ sandbox, instance }) => {
        const { observer, kill } = whenUp();
        const { end } = await runIn(sandbox, {
          bash: 'trap "" TERM; echo up; sleep 600',
          observer,
          meanwhile: kill('cancelled'),
        });
        expect(end).toMatchObject({ cause: 'cancelled', exitCode: null });
        expect(end.durationMs).toBeLessThan(8_000);
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
      expect(end.durationMs).toBeLessThan(15_000);
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
    await withLauncher({ garbageAfterMs: 2_500 }, async ({ sandbox }) => {
      const { end } = await runIn(sandbox, { bash: 'sleep 600' });
      expect(end).toMatchObject({ cause: 'lost', exitCode: null });
      expect(end.durationMs).toBeLessThan(10_000);
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
          await expect(entering).rejects.toMatchObject({ name: 'TimeoutError' });
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
