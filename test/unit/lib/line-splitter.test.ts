import { describe, expect, test, vi } from 'vitest';
import { createLineSplitter } from '../../../src/lib/line-splitter.ts';

function split(maxLineChars = 100) {
  const lines: [string, boolean][] = [];
  const splitter = createLineSplitter(maxLineChars, (text, partial) => lines.push([text, partial]));
  return { lines, splitter, push: (text: string) => splitter.push(Buffer.from(text)) };
}

describe('lines', () => {
  test('come whole, whatever the pieces', () => {
    for (let size = 1; size < 12; size++) {
      const { lines, push, splitter } = split();
      const text = 'one\n\ntwo\nthree';
      for (let at = 0; at < text.length; at += size) push(text.slice(at, at + size));
      splitter.flush();
      expect(lines).toEqual([
        ['one', false],
        ['', false],
        ['two', false],
        ['three', true],
      ]);
    }
  });

  test('keep characters that a chunk boundary goes through, and tell bytes that are none', () => {
    const { lines, splitter } = split();
    const bytes = Buffer.from('grüße 日本\n');
    for (const byte of bytes) splitter.push(Buffer.from([byte]));
    splitter.push(Buffer.from([0xff, 0x0a]));
    expect(lines).toEqual([
      ['grüße 日本', false],
      ['\ufffd', false],
    ]);
  });

  test('that are too long come in pieces, the last of which ends the line', () => {
    const { lines, push } = split(4);
    push('abcdefghij\nabcd\n');
    expect(lines).toEqual([
      ['abcd', true],
      ['efgh', true],
      ['ij', false],
      ['abcd', false],
    ]);
    push('abcdefghij');
    expect(lines.slice(4)).toEqual([
      ['abcd', true],
      ['efgh', true],
    ]);
  });
});

test('a piece that still grows is left; one that rests, or grows for too long, is handed over', () => {
  vi.useFakeTimers();
  try {
    const { lines, push, splitter } = split();
    push('li');
    vi.advanceTimersByTime(50);
    splitter.flushStale(100, 300);
    expect(lines).toEqual([]);
    vi.advanceTimersByTime(50);
    splitter.flushStale(100, 300);
    expect(lines).toEqual([['li', true]]);
    for (let n = 0; n < 7; n++) {
      push('.');
      vi.advanceTimersByTime(50);
      splitter.flushStale(100, 300);
    }
    expect(lines[1]).toEqual(['......', true]);
    expect(splitter.holds).toBe(true);
  } finally {
    vi.useRealTimers();
  }
});
