import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import type { Store } from '../../src/contracts/store.ts';
import { createFilesystemStore } from '../../src/store/filesystem.ts';
import { storeContract } from './store-suite.ts';

const base = mkdtempSync(join(tmpdir(), 'runyard-store-'));
const opened: Store[] = [];
let dir = '';
let count = 0;

beforeEach(() => {
  dir = join(base, String(count++));
});

afterAll(async () => {
  await Promise.all(opened.map((store) => store.close()));
  rmSync(base, { recursive: true });
});

async function open(): Promise<Store> {
  const store = createFilesystemStore({ dir });
  opened.push(store);
  return store;
}

storeContract('the store on files', open);

test('T5: nobody but the owner gets into the store', async () => {
  const store = await open();
  await store.create('tasks/t/task.json', '{}');
  for (const folder of [dir, join(dir, 'tasks'), join(dir, 'tasks/t')]) expect(statSync(folder).mode & 0o077).toBe(0);
  expect(statSync(join(dir, 'tasks/t/task.json')).mode & 0o077).toBe(0);
});

test('close leaves no spare files behind', async () => {
  const store = await open();
  await store.create('meta/x', 'x');
  await new Promise((resolve) => setTimeout(resolve, 100));
  await store.close();
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(readdirSync(join(dir, 'tmp'))).toEqual([]);
});

test('opening the store takes nothing from those who have it open', async () => {
  const first = await open();
  await first.create('meta/x', 'x');
  await new Promise((resolve) => setTimeout(resolve, 100));
  const before = readdirSync(join(dir, 'tmp'));
  expect(before.length).toBeGreaterThan(0);
  await open();
  expect(readdirSync(join(dir, 'tmp'))).toEqual(expect.arrayContaining(before));
  expect(await first.create('meta/y', 'y')).toBe('created');
});

test('marks without content share their inodes, and removing one leaves the others', async () => {
  const store = await open();
  const marks = Array.from({ length: 1100 }, (_, number) => `meta/mark-${number}`);
  for (const key of marks) expect(await store.create(key, '')).toBe('created');
  expect(await store.create(marks[0]!, '')).toBe('exists');
  const inodes = readdirSync(join(dir, 'meta')).map((name) => statSync(join(dir, 'meta', name)).ino);
  expect(inodes).toHaveLength(marks.length);
  expect(new Set(inodes).size).toBe(2);
  await store.remove(marks[0]!);
  expect(await store.read(marks[0]!)).toBeUndefined();
  expect(await store.read(marks[1]!)).toEqual(Buffer.alloc(0));
});

const canMount = process.getuid?.() === 0;

test.skipIf(!canMount)(
  'a full disk is an error that says so, and leaves no half object (needs root to mount a small disk)',
  async () => {
    dir = join(base, 'full');
    execFileSync('mkdir', ['-p', dir]);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', dir]);
    try {
      const store = createFilesystemStore({ dir });
      await expect(store.create('meta/big', Buffer.alloc(1024 * 1024))).rejects.toThrow(/disk is full/);
      expect(await store.read('meta/big')).toBeUndefined();
      expect(await store.create('meta/small', 'fits')).toBe('created');
      await store.close();
    } finally {
      execFileSync('umount', ['-l', dir]);
    }
  },
);

test.skipIf(!canMount)('a read-only store is an error that says so (needs root to mount one)', async () => {
  dir = join(base, 'read-only');
  execFileSync('mkdir', ['-p', dir]);
  execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', dir]);
  const store = createFilesystemStore({ dir });
  try {
    await store.create('meta/x', 'x');
    execFileSync('mount', ['-o', 'remount,ro', dir]);
    await expect(createFilesystemStore({ dir }).create('meta/y', 'y')).rejects.toThrow(/read-only/);
    expect((await store.read('meta/x'))?.toString()).toBe('x');
  } finally {
    execFileSync('umount', ['-l', dir]);
  }
});

test('what the source of an object throws is no fault of the store, and leaves no object', async () => {
  const store = await open();
  const broken = new Error('the program left half of it');
  const source = async function* () {
    yield Buffer.from('half');
    throw broken;
  };
  await expect(store.create('meta/half', source())).rejects.toBe(broken);
  expect(await store.read('meta/half')).toBeUndefined();
});
