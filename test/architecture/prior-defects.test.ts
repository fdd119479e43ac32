import { expect, test } from 'vitest';
import { impossibleHere, priorDefects } from './prior-defects.ts';
import { sourceFiles } from './source-files.ts';

/** Marks stand behind `prior` at the beginning of a title, or of a row that becomes one: `T7, prior A14d A14e: …`. */
const marks = sourceFiles('test')
  .filter(({ path }) => !path.includes('architecture'))
  .flatMap(({ path, source }) =>
    [...source.matchAll(/['"`](?:[\w ]+, )?prior ([A-E]\d+\w*(?: [A-E]\d+\w*)*): /g)].flatMap(([, found = '']) =>
      found.split(' ').map((mark) => ({ mark, path })),
    ),
  );

test.each(Object.keys(priorDefects))('%s has a test that carries its mark', (mark) => {
  expect(marks.filter((each) => each.mark === mark)).not.toEqual([]);
});

test('no test carries the mark of what is not in the list, or cannot be here', () => {
  expect(marks.filter(({ mark }) => !(mark in priorDefects))).toEqual([]);
});

test('of every number of every list each part is in one place', () => {
  const all = [...Object.keys(priorDefects), ...Object.keys(impossibleHere)];
  const numbers = { A: 17, B: 5, C: 9, D: 6, E: 5 };
  const expected = Object.entries(numbers).flatMap(([list, count]) =>
    Array.from({ length: count }, (_, index) => `${list}${index + 1}`),
  );
  expect([...new Set(all.map((mark) => mark.slice(0, -1)))].sort()).toEqual(expected.sort());
  expect(new Set(all).size).toBe(all.length);
});
