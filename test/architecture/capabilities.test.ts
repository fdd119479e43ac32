import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { root, sourceFiles } from './source-files.ts';

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

/** Rows that are not of tasks, or of one engine alone, and where they are tried instead. */
const elsewhere: Readonly<Record<number, string>> = {
  6: 'an image of one’s own is that of a container, or of a Job: test/contract, test/e2e',
  7: 'the server alone creates issues: test/contract',
  25: 'each backend has a seal of its own: test/contract',
  28: 'users are of a wall, accounts of Google Cloud: test/sandbox, test/e2e',
  32: 'how much an owner may start is the server’s to count, before any engine: test/e2e',
};

test('what a task can do is tried on every engine: a title in test/tools names its row', () => {
  const titles = sourceFiles('test')
    .filter(({ path }) => path.startsWith('test/tools/'))
    .flatMap(({ source }) => [...source.matchAll(/['"`](?:prior [\w ]+: )?row ([\d, ]+): /g)])
    .flatMap(([, numbers = '']) => numbers.split(', ').map(Number));
  const missing = rows.map(({ number }) => number).filter((each) => !(titles.includes(each) || each in elsewhere));
  expect(missing).toEqual([]);
});
