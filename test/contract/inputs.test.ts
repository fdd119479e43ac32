import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { beforeEach, describe, expect, test } from 'vitest';
import { keys } from '../../src/contracts/keys.ts';
import { createEgress } from '../../src/gateway/egress.ts';
import { createInputs } from '../../src/inputs/index.ts';
import { base, home, inputs, kept, never, owner, roots, store, tree } from './inputs-bench.ts';

const MiB = 1024 ** 2;

beforeEach(() => {
  rmSync(roots, { recursive: true, force: true });
  mkdirSync(join(tree, 'sub/empty'), { recursive: true });
  writeFileSync(join(tree, 'b.txt'), 'b');
  writeFileSync(join(tree, 'a.sh'), 'a');
  writeFileSync(join(tree, 'sub/ä'), Buffer.alloc(100_000, 7));
  chmodSync(join(tree, 'a.sh'), 0o755);
  symlinkSync('../b.txt', join(tree, 'sub/link'));
});

function linkOut(): string {
  const link = join(roots, 'out');
  symlinkSync(base, link);
  return link;
}

describe('a folder of this machine', () => {
  test('is kept whole: files, modes, empty folders, links within', async () => {
    const sha256 = await inputs.resolve(tree, owner, never);
    expect(await kept(sha256)).toEqual([
      { name: 'a.sh', type: 'file', mode: 0o755, text: 'a' },
      { name: 'b.txt', type: 'file', mode: 0o644, text: 'b' },
      { name: 'sub', type: 'directory', mode: 0o755, text: '' },
      { name: 'sub/empty', type: 'directory', mode: 0o755, text: '' },
      { name: 'sub/link', type: 'symlink', mode: 0o644, text: '../b.txt' },
      { name: 'sub/ä', type: 'file', mode: 0o644, text: expect.any(String) },
    ]);
  });

  test('prior C4b: is the same whatever its owner, its times and the order in which it was made', async () => {
    const first = await inputs.resolve(tree, owner, never);
    const copy = join(roots, 'copy');
    mkdirSync(join(copy, 'sub/empty'), { recursive: true });
    symlinkSync('../b.txt', join(copy, 'sub/link'));
    writeFileSync(join(copy, 'sub/ä'), Buffer.alloc(100_000, 7));
    writeFileSync(join(copy, 'a.sh'), 'a', { mode: 0o700 });
    writeFileSync(join(copy, 'b.txt'), 'b', { mode: 0o600 });
    utimesSync(join(copy, 'b.txt'), 1, 1);
    if (process.getuid?.() === 0) chownSync(join(copy, 'b.txt'), 1234, 1234);
    expect(await inputs.resolve(copy, owner, never)).toBe(first);
  });

  test('prior C4a: is read anew each time: a changed file is another input', async () => {
    const first = await inputs.resolve(tree, owner, never);
    writeFileSync(join(tree, 'b.txt'), 'c');
    expect(await inputs.resolve(tree, owner, never)).not.toBe(first);
  });

  test('prior C4a: is read anew also while it is being packed for somebody who came before the change', async () => {
    writeFileSync(join(tree, 'large'), Buffer.alloc(96 * MiB, 1));
    const first = inputs.resolve(tree, owner, never);
    await delay(40);
    writeFileSync(join(tree, 'a.sh'), 'changed');
    const second = inputs.resolve(tree, owner, never);
    // The first may have met the change in the middle, which is refused.
    await Promise.allSettled([first, second]);
    const script = (await kept(await second)).find(({ name }) => name === 'a.sh');
    expect(script?.text).toBe('chang');
  });

  test('of one file is that file', async () => {
    expect(await kept(await inputs.resolve(join(tree, 'b.txt'), owner, never))).toEqual([
      { name: '.runyard-file', type: 'file', mode: 0o644, text: 'b' },
    ]);
  });

  test('brought fifty times at once is packed and stored once', async () => {
    const brought = await Promise.all(Array.from({ length: 50 }, () => inputs.resolve(tree, owner, never)));
    expect(new Set(brought).size).toBe(1);
    expect(readdirSync(join(home, 'spool'))).toEqual([]);
    expect(await store.list(keys.allInputs)).toContain(keys.input(owner, brought[0]!));
  });

  test('prior C4c: is packed piece by piece, whatever its size', async () => {
    writeFileSync(join(tree, 'large'), '');
    truncateSync(join(tree, 'large'), 512 * MiB);
    const before = process.memoryUsage().rss;
    const memory = { peak: before };
    const look = setInterval(() => {
      memory.peak = Math.max(memory.peak, process.memoryUsage().rss);
    }, 10);
    await inputs.resolve(tree, owner, never);
    clearInterval(look);
    expect(memory.peak - before).toBeLessThan(200 * MiB);
  });

  test.for([
    ['what is not below a root', () => base],
    ['what is not there', () => join(roots, 'none')],
    ['a way that climbs', () => join(roots, '..', 'home')],
    ['a link that leads out', linkOut],
  ] as const)('is refused: %s', async ([, path]) => {
    await expect(inputs.resolve(path(), owner, never)).rejects.toMatchObject({ code: 'forbidden' });
  });

  test('T5: the folders of the key and the store are never brought along, whatever the roots are', async () => {
    const open = createInputs({
      store,
      spoolDir: join(home, 'spool'),
      egress: createEgress({ privateTargets: [] }),
      roots: ['/'],
      ownFolders: [home],
    });
    for (const path of [home, join(home, 'store'), base]) {
      await expect(open.resolve(path, owner, never)).rejects.toMatchObject({ code: 'forbidden' });
    }
  });

  test.for([
    ['a link out of it', () => symlinkSync('/etc/passwd', join(tree, 'out'))],
    ['a link that climbs', () => symlinkSync('../../x', join(tree, 'out'))],
    ['a pipe', () => expect(spawnSync('mkfifo', [join(tree, 'pipe')]).status).toBe(0)],
  ] as const)('is refused with %s', async ([, spoil]) => {
    spoil();
    await expect(inputs.resolve(tree, owner, never)).rejects.toMatchObject({ code: 'invalid_request' });
    expect(readdirSync(join(home, 'spool'))).toEqual([]);
  });
});

test.for([
  ['http://example.org/a.tar', 'invalid_request'],
  ['file:///etc/passwd', 'invalid_request'],
  ['relative/path', 'invalid_request'],
  ['https://user:password@example.org/a.tar', 'invalid_request'],
  ['https://169.254.169.254/a.tar', 'egress_denied'],
  ['https://localhost/a.tar', 'egress_denied'],
] as const)('D6: %s is refused', async ([from, code]) => {
  await expect(inputs.resolve(from, owner, never)).rejects.toMatchObject({ code });
});
