import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { extract, pack } from 'tar-stream';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { keys } from '../../src/contracts/keys.ts';
import { createEgress } from '../../src/gateway/egress.ts';
import { createInputs } from '../../src/inputs/index.ts';
import { createFilesystemStore } from '../../src/store/filesystem.ts';

const base = mkdtempSync(join(tmpdir(), 'runyard-inputs-'));
afterAll(() => rmSync(base, { recursive: true, force: true }));

const owner = 'local:1';
const never = new AbortController().signal;
const home = join(base, 'home');
const roots = join(base, 'roots');
const tree = join(roots, 'tree');
const store = createFilesystemStore({ dir: join(home, 'store') });
const inputs = createInputs({
  store,
  spoolDir: join(home, 'spool'),
  egress: createEgress({ privateTargets: [] }),
  roots: [roots],
  ownFolders: [home],
});

beforeEach(() => {
  rmSync(roots, { recursive: true, force: true });
  mkdirSync(join(tree, 'sub/empty'), { recursive: true });
  writeFileSync(join(tree, 'b.txt'), 'b');
  writeFileSync(join(tree, 'a.sh'), 'a');
  writeFileSync(join(tree, 'sub/ä'), Buffer.alloc(100_000, 7));
  chmodSync(join(tree, 'a.sh'), 0o755);
  symlinkSync('../b.txt', join(tree, 'sub/link'));
});

interface Told {
  name: string;
  type: string | null | undefined;
  mode: number | undefined;
  text: string;
}

async function kept(sha256: string): Promise<Told[]> {
  const tar = zstdDecompressSync((await store.read(keys.input(owner, sha256)))!);
  expect(createHash('sha256').update(tar).digest('hex')).toBe(sha256);
  const told: Told[] = [];
  const reader = extract();
  Readable.from([tar]).pipe(reader);
  for await (const entry of reader) {
    const { name, type, mode, linkname, uid, gid, mtime, uname } = entry.header;
    expect({ uid, gid, uname, time: mtime?.getTime() }).toEqual({ uid: 0, gid: 0, uname: '', time: 0 });
    let text = linkname ?? '';
    for await (const chunk of entry) text += String(chunk).slice(0, 5);
    told.push({ name, type, mode, text: text.slice(0, 8) });
  }
  return told;
}

async function tarOf(...entries: Parameters<ReturnType<typeof pack>['entry']>[0][]): Promise<Buffer> {
  const tar = pack();
  for (const header of entries)
    tar.entry({ ...header }, header.type === undefined || header.type === 'file' ? 'text' : '');
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

const put = (bytes: Buffer) => inputs.put(Readable.from([bytes]), owner);

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

  test('C4: is the same whatever its owner, its times and the order in which it was made', async () => {
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

  test('C4: is read anew each time: a changed file is another input', async () => {
    const first = await inputs.resolve(tree, owner, never);
    writeFileSync(join(tree, 'b.txt'), 'c');
    expect(await inputs.resolve(tree, owner, never)).not.toBe(first);
  });

  test('of one file is that file', async () => {
    expect(await kept(await inputs.resolve(join(tree, 'b.txt'), owner, never))).toEqual([
      { name: '.runyard-file', type: 'file', mode: 0o644, text: 'b' },
    ]);
  });

  test('C8: brought fifty times at once is packed and stored once', async () => {
    const brought = await Promise.all(Array.from({ length: 50 }, () => inputs.resolve(tree, owner, never)));
    expect(new Set(brought).size).toBe(1);
    expect(readdirSync(join(home, 'spool'))).toEqual([]);
    expect(await store.list(keys.allInputs)).toContain(keys.input(owner, brought[0]!));
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

describe('an archive', () => {
  const files = [
    { name: 'dir', type: 'directory' as const },
    { name: './dir/one', mode: 0o777, uid: 7, mtime: new Date() },
  ];

  test('is the same plain, with gzip and with zstd, and kept once', async () => {
    const tar = await tarOf(...files);
    const first = await put(tar);
    expect(first.isNew).toBe(true);
    for (const packed of [gzipSync(tar), zstdCompressSync(tar), tar]) {
      expect(await put(packed)).toEqual({ sha256: first.sha256, isNew: false });
    }
    expect(await kept(first.sha256)).toEqual([
      { name: 'dir', type: 'directory', mode: 0o755, text: '' },
      { name: 'dir/one', type: 'file', mode: 0o755, text: 'text' },
    ]);
  });

  test('is found by its hash by its owner, and by nobody else', async () => {
    const { sha256 } = await put(await tarOf(...files));
    expect(await inputs.resolve(`sha256:${sha256}`, owner, never)).toBe(sha256);
    await expect(inputs.resolve(`sha256:${sha256}`, 'key:other', never)).rejects.toMatchObject({ code: 'not_found' });
    await expect(inputs.resolve(`sha256:${'0'.repeat(64)}`, owner, never)).rejects.toMatchObject({ code: 'not_found' });
  });

  test.for([
    ['a path that climbs', [{ name: '../x' }]],
    ['one that climbs on the way', [{ name: 'a/../../x' }]],
    ['an absolute path', [{ name: '/etc/passwd' }]],
    ['a link out', [{ name: 'l', type: 'symlink' as const, linkname: '/etc' }]],
    ['a link that climbs', [{ name: 'a/l', type: 'symlink' as const, linkname: '../../x' }]],
    ['a file below a link', [{ name: 'l', type: 'symlink' as const, linkname: 'd' }, { name: 'l/x' }]],
    ['a file below a file', [{ name: 'f' }, { name: 'f/x' }]],
    ['a hard link', [{ name: 'f' }, { name: 'h', type: 'link' as const, linkname: 'f' }]],
    ['a device', [{ name: 'd', type: 'character-device' as const, devmajor: 1, devminor: 3 }]],
    ['a pipe', [{ name: 'p', type: 'fifo' as const }]],
    ['the same file twice', [{ name: 'f' }, { name: 'f' }]],
  ] as const)('is refused with %s', async ([, entries]) => {
    const before = await store.list(keys.allInputs);
    await expect(put(await tarOf(...entries))).rejects.toMatchObject({ code: 'invalid_request' });
    expect(await store.list(keys.allInputs)).toEqual(before);
    expect(readdirSync(join(home, 'spool'))).toEqual([]);
  });

  test.for([
    ['nothing that is a tar', Buffer.alloc(2000, 'x')],
    ['a gzip that breaks off', gzipSync(Buffer.alloc(100_000, 1)).subarray(0, 60)],
    ['a zstd of nonsense', Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), Buffer.alloc(100, 0xff)])],
  ] as const)('is refused where it is %s', async ([, bytes]) => {
    await expect(put(bytes)).rejects.toMatchObject({
      code: 'invalid_request',
      message: expect.stringContaining('archive is broken'),
    });
  });

  test('that breaks off in the middle is refused', async () => {
    const tar = await tarOf({ name: 'a', size: 4 }, { name: 'b', size: 4 });
    await expect(put(tar.subarray(0, 1300))).rejects.toMatchObject({ code: 'invalid_request' });
  });

  test('that is a bomb is stopped at 4 GiB, long before it is unpacked', async () => {
    const tar = pack();
    const header = await tarOf({ name: 'bomb', size: 4 });
    tar.destroy();
    // The header alone tells of 5 GiB.
    const bomb = Buffer.from(header.subarray(0, 512));
    bomb.write('50000000000\0', 124, 'latin1');
    let sum = 0;
    bomb.fill(' ', 148, 156);
    for (const byte of bomb) sum += byte;
    bomb.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
    await expect(put(bomb)).rejects.toMatchObject({
      code: 'invalid_request',
      message: 'It unpacks to more than 4 GiB.',
    });
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
