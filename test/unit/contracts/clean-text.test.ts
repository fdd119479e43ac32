import { expect, test } from 'vitest';
import { cleanJson, cleanText } from '../../../src/contracts/clean-text.ts';
import { processorMsOf } from '../../bench/load.ts';

test.each([
  ['plain text', 'héllo\n\twörld 🎉', 'héllo\n\twörld 🎉'],
  ['colours', '\u001b[31;1mred\u001b[0m', 'red'],
  ['cursor and screen', 'a\u001b[2J\u001b[1;1Hb\u001b[?25l', 'ab'],
  ['a window title', '\u001b]0;title\u0007x', 'x'],
  ['a link', '\u001b]8;;http://x\u001b\\link\u001b]8;;\u001b\\', 'link'],
  ['8-bit escapes', '\u009b31mred', 'red'],
  ['a lone escape', 'a\u001bb', expect.not.stringContaining('\u001b')],
  ['controls', 'a\0b\u0007c\u0008d\u000be\u000cf\u007fg\u0085h', 'abcdefgh'],
  ['carriage returns', 'a\r\nb\rc', 'a\nb\nc'],
  ['lone surrogates', 'a\ud800b\udc00c', 'a\ufffdb\ufffdc'],
])('%s', (_, text, clean) => {
  expect(cleanText(text)).toEqual(clean);
});

test('an escape that never ends takes no time', () => {
  for (const text of ['\u001b]'.repeat(50_000), `\u001b[${'1;'.repeat(50_000)}`]) {
    expect(processorMsOf(() => cleanText(text))).toBeLessThan(500);
  }
});

test('of JSON every string is cleaned, names of fields too', () => {
  expect(cleanJson({ 'a\u001b[1m': ['\u0007b', { c: '\r' }], n: 1, z: null, t: true })).toEqual({
    a: ['b', { c: '\n' }],
    n: 1,
    z: null,
    t: true,
  });
});
