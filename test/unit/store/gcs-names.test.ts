import { expect, test } from 'vitest';
import { keyOf, nameOf, prefixOf } from '../../../src/store/gcs/names.ts';

const long = (end: string) => `tasks/t/runs/0/artifacts/${'ü'.repeat(600)}/${end}`;

test('a key that fits is its own name', () => {
  const key = 'x'.repeat(1024);
  expect(nameOf(key)).toEqual({ name: key, metadata: {} });
  expect(keyOf(key, undefined)).toBe(key);
});

test('a longer one becomes a name that fits, begins as it does, and gives it back', () => {
  const { name, metadata } = nameOf(long('a'));
  expect(Buffer.byteLength(name)).toBeLessThanOrEqual(1024);
  expect(name.startsWith(prefixOf(long('')))).toBe(true);
  expect(name).not.toContain('\ufffd');
  expect(nameOf(long('b')).name).not.toBe(name);
  expect(keyOf(name, metadata.key)).toBe(long('a'));
});

test('C1: an object cannot claim the key of another', () => {
  const { name } = nameOf(long('a'));
  expect(keyOf(name, long('b'))).toBe(name);
  expect(keyOf('tasks/t/runs/0/artifacts/x', 'pending/o/task_1')).toBe('tasks/t/runs/0/artifacts/x');
});
