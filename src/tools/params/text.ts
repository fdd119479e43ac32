import { z } from 'zod';

/** Limits of one argument or variable of a program, and of all together, are the kernel's. */
const wordBytesMax = 100_000;
export const wordsBytesMax = 1024 * 1024;

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
export const word = boundedText(wordBytesMax, '100,000 bytes').refine(
  (text) => !text.includes('\0'),
  'holds a NUL character',
);

export function totalBytes(words: readonly string[]): number {
  return words.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
}
