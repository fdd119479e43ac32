import { expect, test } from 'vitest';
import { circlesOf } from './circles.ts';
import { scan, sourceFiles } from './source-files.ts';

test('no file of src/ imports itself, over however many steps', () => {
  expect(circlesOf(sourceFiles('src'))).toEqual([]);
});

const found = (files: Readonly<Record<string, string>>) =>
  circlesOf(Object.entries(files).map(([path, source]) => ({ path, imports: scan(source).imports })));

test.each([
  ['two files', { 'src/a.ts': "import { b } from './b.ts';", 'src/b.ts': "import { a } from './a.ts';" }],
  ['a type only', { 'src/a.ts': "import { b } from './b.ts';", 'src/b.ts': "import type { A } from './a.ts';" }],
  ['loaded late', { 'src/a.ts': "await import('./b.ts');", 'src/b.ts': "export { a } from './a.ts';" }],
])('a circle of %s is found', (_, files) => {
  expect(found(files)).toEqual([
    'src/a.ts imports src/b.ts imports src/a.ts: move what they share into a file of its own.',
  ]);
});

test('a circle through other folders is found, wherever the look begins', () => {
  expect(
    found({
      'src/main.ts': "import { a } from './one/a.ts';",
      'src/one/a.ts': "import { b } from '../two/b.ts';",
      'src/two/b.ts': "import { c } from './c.ts';",
      'src/two/c.ts': "import { a } from '../one/a.ts';",
    }),
  ).toEqual([
    'src/one/a.ts imports src/two/b.ts imports src/two/c.ts imports src/one/a.ts: move what they share into a file of its own.',
  ]);
});

test('a file that imports itself is found', () => {
  expect(found({ 'src/a.ts': "import type { A } from './a.ts';" })).toHaveLength(1);
});

test('two ways to the same file are no circle', () => {
  expect(
    found({
      'src/a.ts': "import { b } from './b.ts'; import { c } from './c.ts';",
      'src/b.ts': "import { d } from './d.ts';",
      'src/c.ts': "import { d } from './d.ts';",
      'src/d.ts': "import { join } from 'node:path';",
    }),
  ).toEqual([]);
});
