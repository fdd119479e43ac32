import { rmSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { limits, sizes } from '../../src/contracts/limits.ts';
import type { Wall, WallLimits } from '../../src/contracts/sandbox.ts';
import { closeInheritedDescriptors } from '../../src/lib/descriptors.ts';
import { createBubblewrap } from '../../src/sandbox/bubblewrap/index.ts';
import { newWorkFolder } from './open.ts';

/** What is left under way of one run when its slot is another's. */

const workDir = newWorkFolder();
/** No wall made ahead: the next run takes the slot that the last one gave back. */
const sandbox = createBubblewrap({ workDir, nodePath: process.execPath, slots: 0 });
const wallLimits: WallLimits = {
  ...sizes.small,
  processes: limits.processesMax,
  workspaceBytes: limits.workspaceBytesMax,
  workspaceInodes: limits.workspaceInodesMax,
};

beforeAll(closeInheritedDescriptors);
afterAll(async () => {
  await sandbox.close();
  rmSync(workDir, { recursive: true, force: true });
});

const enter = () => sandbox.enter({ door: false, signal: AbortSignal.timeout(60_000) });

function start(wall: Wall, script: string, { stdin = '', heard = (_: string) => {} } = {}) {
  const steps = [{ name: 'program', argv: ['/bin/bash', '-c', script] }];
  const program = { steps, env: {}, stdin: Buffer.from(stdin), limits: wallLimits };
  return wall.start(program, { output: (_, chunk) => heard(chunk.toString()) });
}

test('who chose among files for so long that nobody waits any more leaves nothing in the next run', async () => {
  const first = await enter();
  await start(first, 'for n in 1 2 3; do echo > output/of-the-first-$n; done').ended;
  const chosen = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<readonly string[]>();
  const late = new AbortController();
  const collecting = first.collect({
    maxFiles: 10,
    maxBytes: 1024,
    onFile: async () => {},
    signal: late.signal,
    select: async (paths) => {
      asked.resolve(paths);
      await chosen.promise;
      return paths;
    },
  });
  expect(await asked.promise).toHaveLength(3);
  late.abort(new Error('too late'));
  await expect(collecting).rejects.toThrow('too late');
  await first.remove();

  const second = await enter();
  const said = { text: '' };
  const ready = Promise.withResolvers<void>();
  const running = start(second, 'echo ready; sleep 0.5; cat', {
    stdin: 'the stdin of the second',
    heard: (text) => {
      said.text += text;
      if (said.text.includes('ready')) ready.resolve();
    },
  });
  await ready.promise;
  chosen.resolve();
  await running.ended;
  await second.remove();
  expect(said.text).toBe('ready\nthe stdin of the second');
});

test('nothing is placed in a wall that was removed', async () => {
  const wall = await enter();
  await wall.remove();
  await expect(wall.place([{ path: 'late', content: Buffer.from('x') }])).rejects.toThrow('removed');
});
