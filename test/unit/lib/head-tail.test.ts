import { expect, test } from 'vitest';
import { createHeadTail } from '../../../src/lib/head-tail.ts';

const marker = (bytes: number) => `[${bytes}]`;

function keep(maxBytes: number, chunks: readonly string[]) {
  const kept = createHeadTail(maxBytes, marker);
  for (const chunk of chunks) kept.push(Buffer.from(chunk));
  return kept.result();
}

test('what fits is kept as it is, in whatever pieces it came', () => {
  expect(keep(10, [])).toEqual({ text: '', truncated: false });
  expect(keep(10, ['0123456789'])).toEqual({ text: '0123456789', truncated: false });
  expect(keep(10, [...'0123456789'])).toEqual({ text: '0123456789', truncated: false });
});

test('of more, the two ends and how much is missing', () => {
  expect(keep(10, ['0123456789x'])).toEqual({ text: '01234[1]6789x', truncated: true });
  expect(keep(10, [...'abcdefghijklmnopqrstuvwxyz'])).toEqual({ text: 'abcde[16]vwxyz', truncated: true });
});

test('a cut never goes through a character', () => {
  // 22 bytes: one, ten times two, one. Six from each end would halve a character twice.
  expect(keep(12, ['aüüüüüüüüüüb']).text).toBe('aüü[12]üüb');
});
