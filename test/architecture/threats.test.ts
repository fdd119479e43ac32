import { expect, test } from 'vitest';
import { sourceFiles } from './source-files.ts';

/** The threats that hold on one machine and on Cloud Run, by the numbers they have in the threat table of the design. */
const rows = [
  'W1',
  'W2',
  'W3',
  'W4',
  'W5',
  'W6',
  'W7',
  'W8',
  'W9',
  'W10',
  'D1',
  'D2',
  'D3',
  'D4',
  'D6',
  'T1',
  'T2',
  'T3',
  'T4',
  'T5',
  'T6',
  'G1',
  'G2',
  'C1',
  'C2',
  'C3',
  'C4',
];

const tests = sourceFiles('test').filter(({ path }) => path.endsWith('.test.ts') && !path.includes('architecture'));

/** Titles of tests and of groups, and the rows of tables that become titles. */
const titles = tests.flatMap(
  ({ source }) => source.match(/(?:test|describe)[\w.]*\(.*|^\s*\[?['"`][WDTC]\d.*/gm) ?? [],
);

test.each(rows)('%s has a test that carries its number', (row) => {
  expect(titles.filter((title) => new RegExp(`\\b${row}\\b`).test(title))).not.toEqual([]);
});
