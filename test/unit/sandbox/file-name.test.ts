import { expect, test } from 'vitest';
import { nameAsText } from '../../../src/sandbox/shared/file-name.ts';

test.for([
  ['plain-name_1.txt', 'plain-name_1.txt'],
  ['with space/ü/💥', 'with space/ü/💥'],
  ['line\nbreak\ttab\x7f\x1b[31m', 'line\\x0abreak\\x09tab\\x7f\\x1b[31m'],
  ['c1\u0085', 'c1\\xc2\\x85'],
  ['back\\slash', 'back\\slash'],
  ['not\\x0aescape', 'not\\x5cx0aescape'],
])('%j is written %j', ([name, text]) => {
  expect(nameAsText(Buffer.from(name!))).toBe(text);
});

test('bytes that are no UTF-8 stand as such, whatever is around them', () => {
  expect(nameAsText(Buffer.from([0x61, 0xff, 0xc3, 0xbc, 0xc3, 0x62]))).toBe('a\\xffü\\xc3b');
  // A surrogate half and an overlong slash, as bytes.
  expect(nameAsText(Buffer.from([0xed, 0xa0, 0x80, 0xc0, 0xaf]))).toBe('\\xed\\xa0\\x80\\xc0\\xaf');
});

test('no two names are written alike', () => {
  const alphabet = [0x5c, 0x78, 0x30, 0x61, 0x0a, 0xff];
  const names = [0, 1, 2, 3, 4, 5].reduce<number[][]>(
    (all) => [...all, ...all.flatMap((name) => alphabet.map((byte) => [...name, byte]))].filter(isNew()),
    [[]],
  );
  const texts = new Set(names.map((name) => nameAsText(Buffer.from(name))));
  expect(texts.size).toBe(names.length);
});

function isNew(): (name: number[]) => boolean {
  const seen = new Set<string>();
  return (name) => seen.size < seen.add(name.join()).size;
}
