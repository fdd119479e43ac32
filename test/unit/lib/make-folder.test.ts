import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { makeFolder } from '../../../src/lib/make-folder.ts';

const base = mkdtempSync(join(tmpdir(), 'runyard-make-folder-'));
afterAll(() => rmSync(base, { recursive: true }));

test('it makes what is missing, and says whether it was', () => {
  const path = join(base, 'a/b/c');
  expect(makeFolder(path, 0o700)).toBe(true);
  expect(['a', 'a/b', 'a/b/c'].map((name) => statSync(join(base, name)).mode & 0o777)).toEqual([0o700, 0o700, 0o700]);
  chmodSync(path, 0o711);
  expect(makeFolder(path, 0o700)).toBe(false);
  expect(statSync(path).mode & 0o777).toBe(0o711);
});

test('a file on the way is an error, and so is one in its place', () => {
  const file = join(base, 'file');
  writeFileSync(file, '');
  expect(() => makeFolder(join(file, 'below/it'), 0o700)).toThrow(/ENOTDIR/);
  expect(() => makeFolder(file, 0o700)).toThrow(/EEXIST/);
});

test.skipIf(process.platform !== 'linux')(
  'where no folder can be made it says so, and does not try for ever (needs Linux for /proc)',
  () => {
    for (const path of ['/proc/nowhere/work', '/proc/nowhere', '/proc/self/work']) {
      expect(() => makeFolder(path, 0o700)).toThrow(/ENOENT/);
    }
  },
);
