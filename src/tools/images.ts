import type { Image } from './define-tool.ts';

/** Models refuse an answer whose picture is not what it says it is, so the bytes decide, not the file's name. */
const signatures: readonly (readonly [mimeType: string, matches: (bytes: Buffer) => boolean])[] = [
  ['image/png', (bytes) => bytes.subarray(0, 8).equals(Buffer.from('89504e470d0a1a0a', 'hex'))],
  ['image/jpeg', (bytes) => bytes.subarray(0, 3).equals(Buffer.from('ffd8ff', 'hex'))],
  ['image/gif', (bytes) => /^GIF8[79]a/.test(bytes.toString('latin1', 0, 6))],
  ['image/webp', (bytes) => /^RIFF.{4}WEBP/s.test(bytes.toString('latin1', 0, 12))],
];

export const imageTypes: ReadonlySet<string> = new Set(signatures.map(([mimeType]) => mimeType));

/** The picture these bytes are; undefined where they are none that a model can see. */
export function imageOf(bytes: Buffer): Image | undefined {
  const mimeType = signatures.find(([, matches]) => matches(bytes))?.[0];
  return mimeType === undefined ? undefined : { mimeType, bytes };
}
