import { expect, test } from 'vitest';
import { type Floor, meets, type Row, renderTable } from '../bench/report.ts';
import { alternately, quantile } from '../bench/statistics.ts';

const row = (value: number | undefined, kind: Floor['kind'], floor: number): Row => ({
  what: 'a thing',
  ours: '1 ms',
  against: 'another',
  value,
  floor: { kind, value: floor, unit: '×' },
});

test.each([
  [1.3, 'at most', 1.3, true],
  [1.31, 'at most', 1.3, false],
  [0.6, 'at least', 0.6, true],
  [0.59, 'at least', 0.6, false],
  [99.9, 'below', 100, true],
  [100, 'below', 100, false],
  [Number.NaN, 'at most', 1, false],
  [undefined, 'at least', 5, true],
] as const)('%s is held against "%s %s": %s', (value, kind, floor, met) => {
  expect(meets(row(value, kind, floor))).toBe(met);
});

test('the table shows what was missed and what was skipped', () => {
  const table = renderTable([row(2, 'at most', 1.3), row(undefined, 'at least', 5)]);
  expect(table).toMatch(/2\.00 × +at most 1\.3 × +MISSED\n/);
  expect(table).toMatch(/skipped +at least 5 ×\n/);
});

test('measures take turns, and the first round does not count', async () => {
  const calls: string[] = [];
  const measure = (name: string) => async () => calls.push(name);
  const { a, b } = await alternately({ a: measure('a'), b: measure('b') }, { rounds: 2, pauseMs: 0 });
  expect(calls.join('')).toBe('abbaab');
  expect({ a, b }).toEqual({ a: [4, 5], b: [3, 6] });
});

test('a quantile is one of the values', () => {
  expect(quantile([5, 1, 4, 2, 3], 0.5)).toBe(3);
  expect(quantile([5, 1, 4, 2, 3], 0.9)).toBe(5);
  expect(quantile([7], 0.9)).toBe(7);
});
