import { describe, expect, test } from 'vitest';
import { floors, partOf, wrongImports } from './floors.ts';
import { scan, sourceFiles } from './source-files.ts';

const files = sourceFiles('src');

test('there is something to look at', () => {
  expect(files.length).toBeGreaterThan(20);
  expect(files.flatMap(({ imports }) => imports).length).toBeGreaterThan(files.length);
});

test.each(files.map((file) => [file.path, file] as const))('%s imports only what its floor may', (_, file) => {
  expect(wrongImports(file)).toEqual([]);
});

test('no floor imports, over however many steps, itself', () => {
  const climb = (part: string, path: readonly string[]): string[][] => {
    if (path.includes(part)) return [[...path, part]];
    return (floors[part] ?? []).flatMap((next) => climb(next, [...path, part]));
  };
  expect(Object.keys(floors).flatMap((part) => climb(part, []))).toEqual([]);
});

describe('a wrong import fails with a sentence that says which way to go', () => {
  const wrong = (path: string, source: string) => wrongImports({ path, imports: scan(source).imports });

  test.each([
    [
      'a tool and a store',
      'src/tools/x.ts',
      "import { a } from '../store/filesystem.ts';",
      /^src\/tools\/x\.ts:1 imports src\/store\/filesystem\.ts: tools may import only contracts, lib\. Put .* interface in src\/contracts .*src\/app\.ts/,
    ],
    [
      'a type only',
      'src/tasks/x.ts',
      "import type { A } from '../backends/local/backend.ts';",
      /tasks may import only contracts, lib/,
    ],
    ['a type in an expression', 'src/tasks/x.ts', "let a: typeof import('../store/gcs.ts');", /tasks may import only/],
    [
      'loaded late',
      'src/server/x.ts',
      "await import('../specs/openapi.ts');",
      /server may import only tools, contracts, lib/,
    ],
    [
      'siblings',
      'src/sandbox/bubblewrap/x.ts',
      "import { a } from '../container/y.ts';",
      /sandbox\/bubblewrap may import only contracts, lib/,
    ],
    [
      'a wall and the choice of walls',
      'src/sandbox/bubblewrap/x.ts',
      "import { a } from '../detect.ts';",
      /sandbox\/bubblewrap may/,
    ],
    [
      'the rest of the runner and an adapter',
      'src/runner/code/x.ts',
      "export { a } from '../../gateway/door.ts';",
      /runner may import only/,
    ],
    ['the server and the runner', 'src/app.ts', "import { a } from './runner/main.ts';", /app\.ts may import only/],
    [
      'lib and a noun',
      'src/lib/x.ts',
      "import { a } from '../contracts/ids.ts';",
      /lib may import nothing of src\/ but itself\. What knows a noun/,
    ],
    ['contracts and lib', 'src/contracts/x.ts', "import { a } from '../lib/once.ts';", /contracts may import nothing/],
    ['an import of tests', 'src/lib/x.ts', "import { a } from '../../test/fakes/y.ts';", /outside of it/],
    ['a computed name', 'src/app.ts', 'await import(name);', /computes what it imports/],
    ['a new folder', 'src/helpers/x.ts', '', /belongs to no floor: move it/],
  ])('%s', (_, path, source, sentence) => {
    const sentences = wrong(path, source);
    expect(sentences).toHaveLength(1);
    expect(sentences[0]).toMatch(sentence);
  });

  test('and a right one does not', () => {
    expect(
      wrong('src/tools/x.ts', "import { a } from '../contracts/ids.ts'; import b from './y.ts'; import c from 'zod';"),
    ).toEqual([]);
    expect(
      wrong('src/app.ts', "import { a } from './sandbox/bubblewrap/x.ts'; await import('./store/gcs.ts');"),
    ).toEqual([]);
    expect(wrong('src/sandbox/detect.ts', "import { a } from './bubblewrap/x.ts';")).toEqual([]);
  });
});

test('the longest name wins', () => {
  expect(partOf('src/runner/main.ts')).toBe('runner/main.ts');
  expect(partOf('src/runner/code/run-code.ts')).toBe('runner');
  expect(partOf('src/sandbox/detect.ts')).toBe('sandbox');
  expect(partOf('src/sandbox/bubblewrap/seccomp/program.ts')).toBe('sandbox/bubblewrap');
});
