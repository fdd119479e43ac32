import { randomBytes } from 'node:crypto';
import { CRC32C } from '@google-cloud/storage';
import { expect, test } from 'vitest';
import { crc32c, crc32cBase64 } from '../../../src/lib/crc32c.ts';

/** RFC 3720, B.4, and the check value that every catalogue of CRCs has. */
test.each<[string, Uint8Array, number]>([
  ['nothing', Buffer.alloc(0), 0],
  ['the digits 1 to 9', Buffer.from('123456789'), 0xe3069283],
  ['32 bytes of zeros', Buffer.alloc(32), 0x8a9136aa],
  ['32 bytes of ones', Buffer.alloc(32, 0xff), 0x62a8ab43],
  ['32 rising bytes', Buffer.from(Array.from({ length: 32 }, (_, at) => at)), 0x46dd794e],
  ['32 falling bytes', Buffer.from(Array.from({ length: 32 }, (_, at) => 31 - at)), 0x113fdb5c],
])('%s', (_, bytes, expected) => {
  expect(crc32c(bytes)).toBe(expected);
});

test("it is the one of Google's own client, in base64 too", () => {
  const bytes = randomBytes(100_000);
  const theirs = new CRC32C();
  theirs.update(bytes);
  expect(crc32cBase64(bytes)).toBe(theirs.toString());
});
