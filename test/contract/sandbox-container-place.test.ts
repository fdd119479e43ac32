import { createHash } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import type { Wall } from '../../src/contracts/sandbox.ts';
import { createContainer } from '../../src/sandbox/container/index.ts';
import { describeContainer } from '../sandbox/container-bench.ts';
import { runIn, testLimits } from './sandbox-harness.ts';

const MiB = 1024 ** 2;
/** No container made ahead has these, so what was placed has to be carried to another. */
const otherLimits = { ...testLimits, processes: 65, workspaceBytes: 1024 * MiB };

describeContainer('what is placed in a container', ({ image }) => {
  const use = async (work: (wall: Wall) => Promise<void>) => {
    const sandbox = createContainer({ image: image(), env: process.env, slots: 0 });
    const wall = await sandbox.enter({ door: false, signal: AbortSignal.timeout(30_000) });
    try {
      await work(wall);
    } finally {
      await wall.remove();
      await sandbox.close();
    }
  };
  const run = async (wall: Wall, argv: readonly string[], limits = otherLimits) => {
    const printed: Buffer[] = [];
    const program = { steps: [{ name: 'look', argv }], env: {}, stdin: Buffer.alloc(0), limits };
    const running = wall.start(program, { output: (_, chunk) => void printed.push(chunk) });
    return { running, end: await running.ended, printed: Buffer.concat(printed).toString() };
  };

  test('has its names, its modes and its last content, in whichever container the limits lead to', async () => {
    const files = [
      { path: 'twice', content: Buffer.from('first') },
      { path: '-dash', content: Buffer.from('dash') },
      { path: "it's\n$(new) ü💥", content: Buffer.from('odd') },
      { path: 'half \ud83d of a pair', content: Buffer.from('half') },
      { path: 'deep/er/run.sh', content: Buffer.from('#!/bin/sh\necho ran\n'), mode: 0o755 },
      { path: 'output/given', content: Buffer.from('given') },
      { path: 'empty', content: Buffer.alloc(0), mode: 0o600 },
      { path: 'shut', content: Buffer.from('shut'), mode: 0 },
      { path: 'twice', content: Buffer.from('second') },
    ];
    const look = `
import json, os, subprocess
seen = {}
for folder, _, names in os.walk('.'):
    for name in names:
        path = os.path.join(folder, name)
        mode = os.stat(path).st_mode & 0o7777
        os.chmod(path, mode | 0o400)
        seen[path[2:]] = [oct(mode), open(path).read()]
seen['deep/er/run.sh'] = subprocess.check_output('deep/er/run.sh').decode()
print(json.dumps(seen))`;
    for (const limits of [testLimits, otherLimits]) {
      await use(async (wall) => {
        await wall.place(files.slice(0, 3));
        await wall.place(files.slice(3));
        const { printed } = await run(wall, ['python3', '-c', look], limits);
        expect(JSON.parse(printed)).toEqual({
          twice: ['0o644', 'second'],
          '-dash': ['0o644', 'dash'],
          "it's\n$(new) ü💥": ['0o644', 'odd'],
          'half \ufffd of a pair': ['0o644', 'half'],
          'deep/er/run.sh': 'ran\n',
          'output/given': ['0o644', 'given'],
          empty: ['0o600', ''],
          shut: ['0o0', 'shut'],
        });
      });
    }
  });

  test('is not held outside, however much it is', { timeout: 120_000 }, async () => {
    const count = 48;
    const piece = (number: number) => Buffer.alloc(4 * MiB, `${number} `);
    const whole = createHash('sha256');
    await use(async (wall) => {
      const before = heldBytes();
      for (let number = 0; number < count; number++) {
        const content = piece(number);
        whole.update(content);
        await wall.place([{ path: `pieces/${String(number).padStart(3, '0')}`, content }]);
      }
      expect(heldBytes() - before).toBeLessThan(16 * MiB);
      const most = { bytes: 0 };
      const looking = setInterval(() => {
        most.bytes = Math.max(most.bytes, heldBytes() - before);
      }, 500);
      const { printed } = await run(wall, ['bash', '-c', 'cat pieces/* | sha256sum']);
      clearInterval(looking);
      expect(printed).toContain(whole.digest('hex'));
      expect(most.bytes).toBeLessThan(32 * MiB);
    });
  });

  test('is not waited for by who has given up meanwhile', { timeout: 120_000 }, async () => {
    await use(async (wall) => {
      for (let number = 0; number < 40; number++) {
        await wall.place([{ path: String(number), content: Buffer.alloc(4 * MiB) }]);
      }
      const program = { steps: [{ name: 'never', argv: ['true'] }], env: {}, stdin: Buffer.alloc(0) };
      const running = wall.start({ ...program, limits: otherLimits }, { output: () => undefined });
      running.kill('timed_out');
      expect(await running.ended).toMatchObject({ cause: 'timed_out', exitCode: null, lastStep: 0 });
      const files = await wall.collect({
        select: async (paths) => paths,
        maxFiles: 100,
        maxBytes: MiB,
        onFile: async () => undefined,
        signal: AbortSignal.timeout(20_000),
      });
      expect(files.files + files.skipped).toBeLessThan(40);
    });
  });

  test.for([
    ['above the workspace', '../x', 'invalid_request', /outside of the workspace/],
    ['anywhere else', '/tmp/x', 'invalid_request', /outside of the workspace/],
    ['below a file', 'file/x', 'sandbox_unavailable', /could not be placed in the sandbox\. .*(exists|directory)/i],
    ['where a folder is', 'folder', 'sandbox_unavailable', /could not be placed in the sandbox\. .*directory/i],
    [
      'under too long a name',
      'x'.repeat(300),
      'sandbox_unavailable',
      /could not be placed in the sandbox\. .*too long/i,
    ],
  ] as const)('is refused %s, and what follows is placed all the same', async ([, path, code, message]) => {
    await use(async (wall) => {
      await wall.place([
        { path: 'file', content: Buffer.from('file') },
        { path: 'folder/inside', content: Buffer.from('inside') },
      ]);
      const big = Buffer.alloc(3 * MiB);
      await expect(wall.place([{ path, content: big }])).rejects.toMatchObject({
        code,
        message: expect.stringMatching(message),
      });
      await wall.place([{ path: 'after', content: Buffer.from('after') }]);
      expect((await run(wall, ['cat', 'file', 'folder/inside', 'after'])).printed).toBe('fileinsideafter');
      await expect(wall.place([{ path: 'late', content: big }])).rejects.toThrow(/before the program has started/);
    });
  });

  test('and a variable may hold half a surrogate pair, as elsewhere', async () => {
    const sandbox = createContainer({ image: image(), env: process.env, slots: 0 });
    const { stdout, end } = await runIn(sandbox, { env: { HALF: 'a\ud83db' }, bash: 'printf %s "$HALF"' });
    expect([end.exitCode, stdout]).toEqual([0, 'a\ufffdb']);
    await sandbox.close();
  });
});

/** Bytes of all buffers that something still holds. */
function heldBytes(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  return process.memoryUsage().arrayBuffers;
}
