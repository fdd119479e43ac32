import { describe, expect, test } from 'vitest';
import { clip, fairShare, unclip } from '../../../src/lib/clip.ts';

const bytes = (text: string) => Buffer.byteLength(text);

test('a text that fits comes back as it is', () => {
  expect(unclip(clip('short', 10), 10)).toBe('short');
  expect(unclip(clip('', 10), 10)).toBe('');
});

test('of a longer one beginning and end stay, with a true count between, in no more bytes than allowed', () => {
  const whole = `begin ${'x'.repeat(5000)} end`;
  const told = unclip(clip(whole, 1024), 1024);
  expect(told).toMatch(/^begin x+\[\.\.\. \d+ bytes \.\.\.\]x+ end$/);
  expect(bytes(told)).toBeLessThanOrEqual(1024);
  const [marker, left] = /\[\.\.\. (\d+) bytes \.\.\.\]/.exec(told)!;
  expect(bytes(told) - bytes(marker!) + Number(left)).toBe(bytes(whole));
});

test.each([32, 65, 100, 333])('cut again, to %i bytes, the count is still true', (max) => {
  const whole = 'ä€😀 '.repeat(1000);
  const told = unclip(clip(whole, 1024), max);
  expect(bytes(told)).toBeLessThanOrEqual(max);
  expect(told.isWellFormed()).toBe(true);
  const [marker, left] = /\[\.\.\. (\d+) bytes \.\.\.\]/.exec(told)!;
  expect(bytes(told) - bytes(marker!) + Number(left)).toBe(bytes(whole));
});

describe('a fair share', () => {
  test('is no limit where all fit', () => {
    expect(fairShare([1, 2, 3], 6)).toBe(Number.POSITIVE_INFINITY);
    expect(fairShare([], 6)).toBe(Number.POSITIVE_INFINITY);
  });

  test('leaves the room of the short ones to the long ones', () => {
    expect(fairShare([1, 100, 1, 100], 102)).toBe(50);
    expect(fairShare(Array(1000).fill(1024), 65_536)).toBe(65);
  });
});
