import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { root } from './source-files.ts';

const rows = [
  ...readFileSync(join(root, 'README.md'), 'utf8').matchAll(/^\| (\d+) \| .* \| \[.*\]\((test\/[^)]+)\) \|$/gm),
].map(([, number, path = '']) => ({ number: Number(number), path }));

test('the README names a test for each thing that Runyard does', () => {
  expect(rows.map(({ number }) => number)).toEqual(Array.from({ length: 33 }, (_, index) => index + 1));
  const missing = rows.filter(
    ({ path }) => !existsSync(join(root, path)) || !/\btest\b/.test(readFileSync(join(root, path), 'utf8')),
  );
  expect(missing).toEqual([]);
});
