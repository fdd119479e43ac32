import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { habits } from './habits.ts';
import { foldersOf, root, scan, sourceFiles } from './source-files.ts';

const source = sourceFiles('src');
const tests = sourceFiles('test');

const ofTests = ['leavesNoOnly', 'comparesWithNoPattern'];

test.each(Object.entries(habits))('%s holds everywhere', (name, habit) => {
  expect((ofTests.includes(name) ? tests : source).flatMap(habit)).toEqual([]);
});

describe('a place that breaks a habit is found', () => {
  const broken = (habit: (typeof habits)[keyof typeof habits], path: string, text: string) =>
    habit({ path, ...scan(text) }).length;

  test.each([
    ['readsNoSurroundings', 'src/tools/x.ts', 'const a = process.env.HOME;'],
    ['readsNoSurroundings', 'src/lib/x.ts', 'function a() { process?.exit(1); }'],
    ['readsNoSurroundings', 'src/lib/x.ts', "const a = process['argv'];"],
    ['readsNoSurroundings', 'src/server/x.ts', "import { env } from 'node:process';"],
    ['readsNoSurroundings', 'src/runner/claim.ts', "import * as p from 'process';"],
    ['printsNothing', 'src/tasks/x.ts', "console.log('x');"],
    ['printsNothing', 'src/commands/serve.ts', "process.stdout.write('x');"],
    ['printsNothing', 'src/lib/x.ts', "import { stdout } from 'node:process';"],
    ['keepsNoModuleState', 'src/lib/x.ts', 'export let a = 1;'],
    ['waitsForNothingAtImport', 'src/lib/x.ts', "const a = await import('./y.ts');"],
    ['doesNoInputOrOutput', 'src/contracts/x.ts', "import { readFileSync } from 'node:fs';"],
    ['doesNoInputOrOutput', 'src/contracts/x.ts', 'const now = () => fetch(url);'],
    ['leavesNoOnly', 'test/unit/x.test.ts', "test.only('x', () => {});"],
    ['comparesWithNoPattern', 'test/unit/x.test.ts', 'expect(a).toMatchObject({ b: { code: /x/ } });'],
    ['comparesWithNoPattern', 'test/unit/x.test.ts', 'expect(a).toMatchObject([/x/, 1]); expect(a).toMatch(/x/);'],
  ] as const)('%s in %s: %s', (habit, path, text) => {
    expect(broken(habits[habit], path, text)).toBe(1);
  });

  test.each([
    ['readsNoSurroundings', 'src/app.ts', 'const a = process.env.HOME;'],
    ['readsNoSurroundings', 'src/lib/x.ts', "import { getuid } from 'node:process'; process.getuid();"],
    ['readsNoSurroundings', 'src/lib/x.ts', 'const env = options.process; a.env = 1;'],
    ['printsNothing', 'src/commands/doctor.ts', "process.stdout.write('x');"],
    ['printsNothing', 'src/lib/x.ts', '// console.log(a)\nconst b = `console.log`;'],
    ['keepsNoModuleState', 'src/lib/x.ts', 'function a() { let b = 1; }'],
    ['doesNoInputOrOutput', 'src/contracts/x.ts', "import type { Server } from 'node:net';"],
    ['leavesNoOnly', 'test/unit/x.test.ts', "test('only', () => { const only = 1; });"],
    ['comparesWithNoPattern', 'test/unit/x.test.ts', 'expect(a).toMatchObject({ b: expect.stringMatching(/x/) });'],
    ['comparesWithNoPattern', 'test/unit/x.test.ts', 'expect(a).toMatchObject(refusal(b, /x/)); f({ c: /x/ });'],
  ] as const)('%s allows in %s: %s', (habit, path, text) => {
    expect(broken(habits[habit], path, text)).toBe(0);
  });
});

test('no file is longer than 250 lines', () => {
  const lines = (text: string) => text.trimEnd().split('\n').length;
  const long = [...source, ...tests].filter((file) => lines(file.source) > 250);
  expect(long.map((file) => `${file.path} has ${lines(file.source)} lines: two things share a room.`)).toEqual([]);
});

/** `test/unit`, `test/contract`: what is below them follows their README. */
const testKinds = new Set(foldersOf(tests).map((folder) => folder.split('/').slice(0, 2).join('/')));

test.each([...foldersOf(source), ...testKinds])('%s has a README that says what belongs there', (folder) => {
  const readme = join(root, folder, 'README.md');
  expect(existsSync(readme), `${folder}/README.md is missing`).toBe(true);
  const prose = readFileSync(readme, 'utf8')
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('#'));
  expect(prose.join(' ').length, `${folder}/README.md says too little`).toBeGreaterThan(60);
});
