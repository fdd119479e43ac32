import { expect, test } from 'vitest';
import { holdsMoreValues } from '../../../src/lib/json-weight.ts';
import { processorMsOf } from '../../bench/load.ts';

const exact: readonly [json: unknown, values: number][] = [
  [['a, [b], {c}'], 2],
  [['\\', '"'], 3],
  [['\\"', '\\\\', ',[{'], 4],
  [[1, 2, 3], 4],
  [{ a: 1, 'b,[{\\"': [true, null] }, 5],
  [[[[[]]]], 5],
];

test.each(exact)('%j holds %i values at most', (json, values) => {
  expect(holdsMoreValues(JSON.stringify(json), values)).toBe(false);
  expect(holdsMoreValues(JSON.stringify(json), values - 1)).toBe(true);
});

test('a text that is no JSON is looked at to its end', () => {
  for (const text of ['', '"', '"\\', '"\\"', '[[', 'x"']) expect(holdsMoreValues(text, 3)).toBe(false);
});

test('32 MiB take no longer than a moment, whatever they hold', () => {
  const bytes = 32 * 1024 * 1024;
  for (const piece of ['a', '\\\\', '\\"', '"",', ' ', '"\\"",']) {
    const text = `["${piece.repeat(bytes / piece.length)}"]`;
    expect(processorMsOf(() => holdsMoreValues(text, Number.POSITIVE_INFINITY))).toBeLessThan(2_000);
  }
});
