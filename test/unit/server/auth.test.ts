import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

/** The time of a comparison cannot be tested on a busy machine; that none is made which depends on the text can. */
test.each(['src/server/auth.ts', 'src/gateway/listener.ts', 'src/tasks/submit.ts'])(
  'prior D6f: %s compares what must be guessed in constant time, and by nothing else',
  (path) => {
    const source = readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');
    expect(source).toContain('timingSafeEqual(');
    const guessed = String.raw`\b(?:key|digest|presented|mac|authorization|credential)\b(?!\.)`;
    const text = String.raw`(?!undefined\b)[\w.]+`;
    const plain = new RegExp(`${guessed} [!=]== ${text}|${text} [!=]== ${guessed}`, 'g');
    expect(source.match(plain) ?? []).toEqual([]);
  },
);
