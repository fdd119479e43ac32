import { expect, test } from 'vitest';
import { isMapped } from '../../../src/sandbox/bubblewrap/identity.ts';

test('the map of the machine holds every id', () => {
  expect(isMapped('         0          0 4294967295\n', 60_578)).toBe(true);
});

test('the map of a container holds what its lines say', () => {
  const map = '         0       1000          1\n         1     100000      65535\n';
  expect([0, 1, 65_535].map((id) => isMapped(map, id))).toEqual([true, true, true]);
  expect(isMapped(map, 65_536)).toBe(false);
  expect(isMapped('0 1000 1\n', 60_578)).toBe(false);
});
