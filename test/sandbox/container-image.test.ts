import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { describeContainer } from './container-bench.ts';
import { until } from './harness.ts';

/** What every run of the image here needs, whoever it is: an engine may ask for higher limits than it may give. */
const ulimits = ['--ulimit', 'nofile=4096:4096', '--ulimit', 'nproc=30000:30000'];

describeContainer('the image', ({ engine, image }) => {
  const runIt = (options: readonly string[], command: readonly string[] = []) =>
    engine().run(['run', '--rm', ...ulimits, ...options, image(), ...command], 60_000);

  test('holds what it should, and still says so', async () => {
    const told = await runIt(['--network', 'none', '--entrypoint', 'sh'], ['/opt/runyard/sandbox-image/check.sh']);
    expect(told).toContain('The image holds what it should.');
  });

  test('keeps no variable but those that say where something is', async () => {
    const inspected = await engine().run(['image', 'inspect', image()]);
    const shape = z.array(
      z.object({ Config: z.object({ Env: z.array(z.string()), Entrypoint: z.array(z.string()) }) }),
    );
    const [{ Config } = { Config: { Env: [], Entrypoint: [] } }] = shape.parse(JSON.parse(inspected));
    const names = Config.Env.map((entry) => entry.split('=')[0]);
    expect(
      names.filter((name) => !/^(PATH|NODE_VERSION|YARN_VERSION|container|RUNYARD_CLAUDE_PATH)$/.test(name ?? '')),
    ).toEqual([]);
    expect(Config.Entrypoint).toEqual(['/usr/bin/tini', '--', 'node', '/opt/runyard/dist/runner/main.js']);
  });

  test('without arguments is the runner of a Job, which names what the Job did not say', async () => {
    const refusal = runIt(['--network', 'none', '--env', 'RUNYARD_TASK=none']);
    await expect(refusal).rejects.toThrow(/RUNYARD_TASK_TOKEN/);
  });

  test('as root builds walls of its own inside, as in a Job', async () => {
    const shown = engine().kind === 'podman' ? 'unmask=ALL' : 'systempaths=unconfined';
    const rights = ['--security-opt', 'seccomp=unconfined', '--security-opt', shown, '--cap-add', 'SYS_PTRACE'];
    const options = ['--network', 'none', '--entrypoint', 'sh', ...rights];
    const told = await runIt(options, ['-c', 'tini -s -- runyard doctor; true']);
    expect(told).toMatch(/✔ wall +built and checked/);
    expect(told).toMatch(/✔ trial +print\(42\) ran in bubblewrap, network none/);
  });

  describe('as server', () => {
    test('serves, as a user that is not root', async () => {
      const port = await freePort();
      const name = `runyard-test-serve-${process.pid}`;
      const serve = ['--', 'runyard', 'serve', '--http', `127.0.0.1:${port}`];
      await engine().run([
        ...['run', '--detach', '--rm', '--name', name, ...ulimits, '--network', 'host', '--user', 'runner'],
        ...['--env', 'HOME=/home/runner', '--entrypoint', '/usr/bin/tini', image(), ...serve],
      ]);
      try {
        const answers = { ok: false };
        const ask = () =>
          void fetch(`http://127.0.0.1:${port}/healthz`).then(
            ({ ok }) => Object.assign(answers, { ok }),
            () => undefined,
          );
        await until(() => {
          ask();
          return answers.ok;
        }, AbortSignal.timeout(40_000));
      } finally {
        await engine().run(['rm', '--force', name]);
      }
    });
  });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
