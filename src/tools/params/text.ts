import { z } from 'zod';
import { limits } from '../../contracts/limits.ts';

/** Text of at most `maxBytes` UTF-8 bytes that is valid Unicode. */
export function boundedText(maxBytes: number, allowed: string) {
  return z
    .string()
    .refine((text) => Buffer.byteLength(text) <= maxBytes, `is larger than ${allowed}`)
    .refine((text) => text.isWellFormed(), 'is not valid Unicode');
}

export function notEmpty<T extends z.ZodString>(schema: T): T {
  return schema.refine((text) => text.trim() !== '', 'must not be empty');
}

/** A value that becomes an argument or an environment variable of a program. */
export const word = boundedText(limits.wordBytesMax, '100,000 bytes').refine(
  (text) => !text.includes('\0'),
  'holds a NUL character',
);

export function totalBytes(words: readonly string[]): number {
  return words.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
}
