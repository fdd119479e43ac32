import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { describe, expect, test } from 'vitest';
import { keys } from '../../src/contracts/keys.ts';
import { home, inputs, kept, never, owner, put, store, tarOf } from './inputs-bench.ts';

describe('an archive', () => {
  const files = [
    { name: 'dir', type: 'directory' as const },
    { name: './dir/one', mode: 0o777, uid: 7, mtime: new Date() },
  ];

  test('is the same plain, with gzip, with zstd and with zstd in several frames, and kept once', async () => {
    const tar = await tarOf(...files);
    const first = await put(tar);
    expect(first.isNew).toBe(true);
    const inTwoFrames = Buffer.concat([tar.subarray(0, 700), tar.subarray(700)].map((part) => zstdCompressSync(part)));
    for (const packed of [gzipSync(tar), zstdCompressSync(tar), inTwoFrames, tar]) {
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
