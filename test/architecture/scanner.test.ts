// biome-ignore-all lint/suspicious/noTemplateCurlyInString: they are source under test
import { expect, test } from 'vitest';
import { scan } from './source-files.ts';

const found = (source: string) => scan(source).imports.map(({ how, specifier }) => `${how} ${specifier}`);

test.each([
  ["import { a } from './a.ts';", 'static ./a.ts'],
  ["import a, * as b from './a.ts';", 'static ./a.ts'],
  ["import {\n  a, // from './x.ts'\n  type b,\n} from './a.ts';", 'static ./a.ts'],
  ["import './a.ts';", 'static ./a.ts'],
  ['import a from "./a.ts" with { type: "json" };', 'static ./a.ts'],
  ["import type { A } from './a.ts';", 'type ./a.ts'],
  ["import type from './a.ts';", 'static ./a.ts'],
  ["export { a } from './a.ts';", 'static ./a.ts'],
  ["export * as b from './a.ts';", 'static ./a.ts'],
  ["export type { A } from './a.ts';", 'type ./a.ts'],
  ["const a = await import('./a.ts');", 'dynamic ./a.ts'],
  ["let a: typeof import('./a.ts');", 'type ./a.ts'],
  ["let a: import('./a.ts').A;", 'type ./a.ts'],
  ["const a = `${await import('./a.ts')}`;", 'dynamic ./a.ts'],
  ["const a = `text ${`inner ${await import('./a.ts')}`} more`;", 'dynamic ./a.ts'],
  ["const a = createRequire(import.meta.url)('a');", 'dynamic a'],
  ["const a = require('a');", 'dynamic a'],
  ["const slash = /['\"`]/; const a = await import('./a.ts');", 'dynamic ./a.ts'],
  ["const half = (1 + 2) / 2; import './a.ts'; const third = half / 3;", 'static ./a.ts'],
  ["if (x) { y() }\n/'/.test(z); import './a.ts';", 'static ./a.ts'],
  ['const a = await import(name);', 'dynamic undefined'],
  ["const a = await import('./a' + x);", 'dynamic undefined'],
])('%s names a file', (source, expected) => {
  expect(found(source)).toEqual([expected]);
});

test.each([
  ["// import { a } from './a.ts';"],
  ["/* import { a } from './a.ts'; */"],
  ["const a = `import { a } from './a.ts';`;"],
  ['const a = "import { a } from \'./a.ts\';";'],
  ["const here = import.meta.url; const from = 'a';"],
  ["export const from = './a.ts';"],
  ["export { a };\nconst b = Array.from('abc');"],
  ["loader.import('./a.ts');"],
  ["const pattern = /import '.\\/a.ts'/;"],
])('%s names none', (source) => {
  expect(found(source)).toEqual([]);
});

test('a line is counted through comments, templates and strings', () => {
  const [only] = scan("/* a\nb */\nconst c = `d\ne`;\n\nimport './a.ts';").imports;
  expect(only?.line).toBe(6);
});

test('depth tells the module from what is inside', () => {
  const lets = scan('let a = 1; function b() { let c = `${() => { let d; }}`; } export let e;').tokens;
  expect(lets.filter(({ text }) => text === 'let').map(({ depth }) => depth)).toEqual([0, 1, 3, 0]);
});

test.each(["const a = 'open", 'const a = `open ${b', 'const a = `open'])('%s is refused, not misread', (source) => {
  expect(() => scan(`${source}\nconst b = 1;`)).toThrow(/does not end/);
});
