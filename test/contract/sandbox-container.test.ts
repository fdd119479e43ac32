import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { describe, expect, test, vi } from 'vitest';
import { limits, sizes } from '../../src/contracts/limits.ts';
import { wallPaths } from '../../src/contracts/sandbox.ts';
import { processIdentity } from '../../src/lib/process-identity.ts';
import type { Engine } from '../../src/sandbox/container/engine.ts';
import { createContainer } from '../../src/sandbox/container/index.ts';
import { probeContainer } from '../../src/sandbox/container/probe.ts';
import { describeContainer } from '../sandbox/container-bench.ts';
import { sandboxEndsContract } from './sandbox-ends-suite.ts';
import { runIn, testLimits } from './sandbox-harness.ts';
import { sandboxLimitsContract } from './sandbox-limits-suite.ts';
import { sandboxContract } from './sandbox-suite.ts';

const soon = () => AbortSignal.timeout(30_000);

describeContainer('on the image', ({ sandbox, engine, image, counted }) => {
  const other = (slots = 0) => createContainer({ image: image(), env: process.env, slots });
  /** Of this process alone: tests elsewhere have theirs. */
  const own = () => labelled(engine(), process.pid);

  describe('what is left', () => {
    test('is nothing: no container and no volume, of programs that ran, walls that waited and calls that were given up', async () => {
      const before = await own();
      const volumes = await unusedVolumes(engine());
      const mine = other(2);
      mine.warm();
      await runIn(mine, { bash: 'mkdir -p a/b; chmod 000 a; ln -s / root; mkfifo output/fifo; touch /tmp/x' });
      for (const afterMs of [0, 100, 300]) {
        const entering = mine.enter({ door: true, signal: AbortSignal.timeout(afterMs) });
        await entering.then(
          (wall) => wall.remove(),
          (error) => expect(error).toMatchObject({ name: 'TimeoutError' }),
        );
      }
      await mine.close();
      await vi.waitFor(async () => expect((await own()).filter((name) => !before.includes(name))).toEqual([]), 20_000);
      // Those of a neighbour's container lie unused for a moment too, before it begins and after it has ended.
      const left = async () => (await unusedVolumes(engine())).filter((name) => !volumes.includes(name));
      await vi.waitFor(async () => expect(await left()).toEqual([]), { timeout: 20_000, interval: 300 });
    });

    test('of a runner that was killed goes by itself', async () => {
      const program = new URL('../sandbox/container-child.ts', import.meta.url).pathname;
      const runner = spawn(process.execPath, [program, image()], { stdio: ['ignore', 'pipe', 'inherit'] });
      const [told] = await once(runner.stdout, 'data');
      expect(String(told)).toBe('up\n');
      expect(await labelled(engine(), runner.pid!)).not.toEqual([]);
      runner.kill('SIGKILL');
      await vi.waitFor(async () => expect(await labelled(engine(), runner.pid!)).toEqual([]), {
        timeout: 40_000,
        interval: 300,
      });
    });

    test('of a dead runner is removed by the next; what a living one has stays', async () => {
      const identity = processIdentity(process.pid)!;
      const start = (name: string, label: object) =>
        engine().run([
          ...['run', '--detach', '--rm', '--name', name, '--label', `runyard.runner=${JSON.stringify(label)}`],
          ...['--network', 'none', '--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=4096:4096'],
          ...['--entrypoint', 'sleep', image(), '60'],
        ]);
      const dead = `runyard-test-dead-${process.pid}`;
      const alive = `runyard-test-alive-${process.pid}`;
      await start(dead, { ...identity, startTime: '1' });
      await start(alive, identity);
      try {
        const next = other();
        next.warm();
        await next.close();
        const names = (await engine().run(['ps', '--all', '--format', '{{.Names}}'])).split('\n');
        expect([names.includes(dead), names.includes(alive)]).toEqual([false, true]);
      } finally {
        await engine().run(['rm', '--force', alive]);
      }
    });
  });

  test('a wall that died while it waited is never handed out', async () => {
    const mine = other(1);
    const before = await own();
    mine.warm();
    const added = async () => (await own()).filter((name) => !before.includes(name));
    await vi.waitFor(async () => expect(await added()).toHaveLength(1), { timeout: 20_000, interval: 200 });
    await engine().run(['kill', ...(await added())]);
    expect((await runIn(mine, { argv: ['echo', 'alive'] })).stdout).toBe('alive\n');
    await mine.close();
  });

  test('a wall whose container is killed from outside is lost, and says so', async () => {
    const mine = other();
    const before = await own();
    const { end } = await runIn(mine, {
      argv: ['sleep', '600'],
      observer: {
        stepStarted: () =>
          void own().then((names) => engine().run(['kill', ...names.filter((name) => !before.includes(name))])),
      },
    });
    expect(end).toMatchObject({ cause: 'lost', exitCode: null });
    await mine.close();
  });

  test.skipIf(!counted)(
    'a container that does not answer any more is ended all the same (needs an engine that can freeze one)',
    async () => {
      const mine = other();
      const before = await own();
      const added = async () => (await own()).filter((name) => !before.includes(name));
      const paused = Promise.withResolvers<void>();
      const { end } = await runIn(mine, {
        bash: 'echo up; sleep 600',
        observer: {
          output: async () => {
            await engine().run(['pause', ...(await added())]);
            paused.resolve();
          },
        },
        meanwhile: (running) => void paused.promise.then(() => running.kill('timed_out')),
      });
      expect(end).toMatchObject({ cause: 'timed_out', exitCode: null });
      await mine.close();
      expect(await added()).toEqual([]);
    },
  );

  test.skipIf(!counted)(
    'limits of every size are kept (needs an engine that keeps limits), also where the machine has fewer processors',
    async () => {
      const mine = other();
      const read = 'cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null; true';
      for (const size of ['large', 'small'] as const) {
        const wanted = { ...sizes[size], processes: limits.processesMax };
        const { stdout, end } = await runIn(mine, {
          bash: read,
          limits: wanted,
          files: [{ path: 'x', content: Buffer.from('placed') }],
        });
        expect(end.exitCode).toBe(0);
        expect(stdout).toBe(`${sizes[size].memoryBytes}\n`);
      }
      await mine.close();
    },
  );

  test.for([0, 1])(
    'who says at the beginning what the program may use is given one container alone, with %i made ahead',
    async (slots) => {
      const mine = other(slots);
      mine.warm();
      for (const processes of [64, 65, 65, 64]) {
        const limits = { ...testLimits, processes };
        const wall = await mine.enter({ door: false, limits, signal: soon() });
        await wall.place([{ path: 'x', content: Buffer.from('placed') }]);
        const before = await own();
        const program = { steps: [{ name: 'cat', argv: ['cat', 'x'] }], env: {}, stdin: Buffer.alloc(0), limits };
        const seen: { printed: string; beside: string[] } = { printed: '', beside: [] };
        const running = wall.start(program, {
          output: async (_, chunk) => {
            seen.printed += chunk;
            // Those that are made ahead come when they come.
            if (slots === 0) seen.beside = (await own()).filter((name) => !before.includes(name));
          },
        });
        expect(await running.ended).toMatchObject({ cause: 'exited', exitCode: 0 });
        expect(seen).toEqual({ printed: 'placed', beside: [] });
        await wall.remove();
      }
      await mine.close();
    },
  );

  test('a program that floods its processors and its processes is stopped at once', async () => {
    const { end } = await runIn(sandbox(), {
      python: 'import os\nwhile True:\n  try:\n    if os.fork() == 0:\n      while True: pass\n  except OSError: pass',
      meanwhile: (running) => void setTimeout(() => running.kill('timed_out'), 2_000),
    });
    expect(end.cause).toBe('timed_out');
    expect(end.durationMs).toBeLessThan(30_000);
  });

  test('claude is inside, at the version the package pins', async () => {
    const { stdout } = await runIn(sandbox(), { argv: [wallPaths.claude, '--version'] });
    const { dependencies } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
    expect(stdout).toContain(dependencies['@anthropic-ai/claude-code']);
  });

  test('the probe tries each part', async () => {
    const findings = await probeContainer({ image: image(), env: process.env });
    expect(findings.map(({ subject, state }) => [subject, state])).toEqual([
      ['container engine', 'ok'],
      ['image', 'ok'],
      ['limits', counted ? 'ok' : 'limited'],
      ['wall', 'ok'],
    ]);
  });

  test('a missing image is refused with the command that builds it', async () => {
    const missing = { image: 'no-such-image:0', env: process.env };
    const refusal = {
      code: 'sandbox_unavailable',
      message: expect.stringContaining('no-such-image:0'),
      hint: expect.stringMatching(/build --tag no-such-image:0 --file \S+\/sandbox-image\/Dockerfile \S+$/),
    };
    await expect(
      createContainer({ ...missing, slots: 0 }).enter({ door: false, signal: soon() }),
    ).rejects.toMatchObject(refusal);
    const findings = await probeContainer(missing);
    expect(findings[1]).toMatchObject({ subject: 'image', state: 'missing', remedy: refusal.hint });
  });

  // Last: what the sandbox makes ahead in the background is none of the tests above.
  sandboxContract('container', sandbox);
  sandboxEndsContract('container', sandbox);
  sandboxLimitsContract('container', sandbox, { counted });
});

test('without an engine every wall is refused with how to install one', async () => {
  const nowhere = { env: { PATH: '/nowhere' } };
  const entering = createContainer({ ...nowhere, slots: 0 }).enter({ door: false, signal: soon() });
  await expect(entering).rejects.toMatchObject({
    code: 'sandbox_unavailable',
    hint: expect.stringContaining('podman'),
  });
  expect(await probeContainer(nowhere)).toMatchObject([{ subject: 'container engine', state: 'missing' }]);
});

/** Volumes that no container has, whoever made them. */
async function unusedVolumes(engine: Engine): Promise<string[]> {
  const told = await engine.run(['volume', 'ls', '--quiet', '--filter', 'dangling=true']);
  return told.split('\n').filter((name) => name !== '');
}

/** The names of all containers that this runner made. */
async function labelled(engine: Engine, runner: number): Promise<string[]> {
  const filter = ['--filter', 'label=runyard.runner'];
  const told = await engine.run(['ps', '--all', '--no-trunc', '--format', '{{.Names}}', ...filter]);
  const names = told.split('\n').filter((name) => name !== '');
  const labels = await Promise.all(names.map((name) => labelOf(engine, name)));
  return names.filter((_, index) => labels[index]?.includes(`"pid":${runner},`));
}

async function labelOf(engine: Engine, name: string): Promise<string> {
  return engine
    .run(['container', 'inspect', '--format', '{{index .Config.Labels "runyard.runner"}}', name])
    .catch(() => '');
}
