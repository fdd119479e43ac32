import { Ajv } from 'ajv';
import { expect, test } from 'vitest';
import { cliSchema } from '../../src/runner/claude/cli-schema.ts';
import { faultAgainst, pathsMatching } from '../../src/runner/claude/judge.ts';
import { contention } from '../bench/load.ts';

test.for([
  [{ type: 'object', required: ['a'] }, { a: 1 }, null],
  [{ type: 'object', required: ['a'] }, {}, "the whole of it must have required property 'a'"],
  [
    { $schema: 'https://json-schema.org/draft/2020-12/schema', prefixItems: [{ type: 'string' }] },
    [1],
    '/0 must be string',
  ],
  [{ $schema: 'http://json-schema.org/draft-07/schema#', items: [{ type: 'string' }] }, [1], '/0 must be string'],
  [{ $ref: '#/$defs/a', $defs: { a: { type: 'number' } } }, 'x', 'the whole of it must be number'],
] as const)('%j against %j: %s', async ([schema, value, fault]) => {
  expect(await faultAgainst(schema, value)).toBe(fault);
});

test.for([
  ['a pattern', { pattern: '^(a+)+$' }, `${'a'.repeat(40)}!`],
  [
    'a schema',
    {
      $ref: '#/$defs/d0',
      $defs: Object.fromEntries(
        Array.from({ length: 26 }, (_, i) => [
          `d${i}`,
          { allOf: Array.from({ length: 8 }, () => ({ $ref: `#/$defs/d${i + 1}` })) },
        ]).concat([['d26', true]] as never),
      ),
    },
    1,
  ],
] as const)('T2: %s that is a bomb costs a second, not the runner', async ([, schema, value]) => {
  const busy = contention();
  const startedAt = performance.now();
  let beats = 0;
  const heart = setInterval(() => beats++, 20);
  const fault = await faultAgainst(schema, value);
  clearInterval(heart);
  expect(fault).toContain('it cannot be checked');
  // It is a second of the processor, which a busy machine gives late.
  expect(performance.now() - startedAt).toBeLessThan(10_000 * Math.max(busy, contention()));
  expect(beats).toBeGreaterThan(20);
});

test('a schema that refers to nothing is a fault, not an exception', async () => {
  expect(await faultAgainst({ $ref: '#/$defs/missing' }, 1)).toContain('it cannot be checked');
});

test('globs choose files, dot files too', async () => {
  const paths = ['a.txt', 'b/c.txt', '.hidden/d.txt', 'e.md', 'output/x'];
  expect(await pathsMatching(['**/*.txt', 'e.*'], paths)).toEqual(['a.txt', 'b/c.txt', '.hidden/d.txt', 'e.md']);
});

test('T2: a glob that is a bomb costs a second', async () => {
  const bomb = `${'*a'.repeat(20)}b`;
  expect(await pathsMatching([bomb], ['a'.repeat(100)])).toBe('it took longer than 1 s');
});

const odd = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  unevaluatedProperties: false,
  properties: {
    pair: { type: 'array', prefixItems: [{ type: 'string' }], items: { type: 'number' } },
    some: { type: 'array', contains: { type: 'number' }, minContains: 0 },
    none: { not: { prefixItems: [{ type: 'string' }] } },
    any: { anyOf: [{ type: 'string', vendor: 1 }, { $ref: '#/$defs/x' }] },
  },
  dependentRequired: { pair: ['some'] },
  $defs: { x: { type: 'number', $dynamicAnchor: 'y' } },
};

test('the CLI gets what its draft 07 check can take, never more strictly, and the model is told the rest', () => {
  const { schema, told } = cliSchema(odd);
  const validate = new Ajv({ strict: true, strictTypes: false }).compile(schema);
  expect(validate({ pair: ['x', 1], some: ['no number'], none: [1], any: 1 })).toBe(true);
  expect(validate({ any: true })).toBe(false);
  expect(told).toContain(JSON.stringify(odd));
});

test('a plain schema stays as it is', () => {
  const plain = { type: 'object', properties: { a: { type: 'string', enum: ['x'] } }, required: ['a'] };
  expect(cliSchema(plain)).toEqual({ schema: plain });
});
