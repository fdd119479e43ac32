import { expect, test } from 'vitest';
import { textOf } from '../../../src/tools/text-of-bytes.ts';

const euro = Buffer.from('a€');

test('a character that is cut in two belongs to the next page', () => {
  expect(textOf(euro.subarray(0, 3), { last: false })).toEqual({ text: 'a', bytes: 1 });
  expect(textOf(euro.subarray(0, 2), { last: false })).toEqual({ text: 'a', bytes: 1 });
  expect(textOf(euro, { last: true })).toEqual({ text: 'a€', bytes: 4 });
});

test('at the end of a file it is no text', () => {
  expect(textOf(euro.subarray(0, 3), { last: true })).toBeUndefined();
});

test.each([
  ['a NUL', Buffer.from('a\0')],
  ['other encodings', Buffer.from([0xff, 0xfe, 0x41, 0x00])],
  ['more cut than one character', Buffer.from([0x41, 0x80, 0x80, 0x80, 0x80])],
])('%s is no text', (_, bytes) => {
  expect(textOf(bytes, { last: false })).toBeUndefined();
});
