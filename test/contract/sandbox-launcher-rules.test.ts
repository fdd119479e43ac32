import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { filesWith, soon, whenUp, withLauncher } from './launcher-harness.ts';
import { collectFrom, runIn } from './sandbox-harness.ts';

/** A word that stands nowhere else. */
const secret = `secret-${process.pid}-${Date.now()}`;

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
