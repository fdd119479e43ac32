import { createHash } from 'node:crypto';

/**
 * Cloud Storage takes names of at most 1,024 bytes, and keys may be longer. What is longer is cut and ends in the hash
 * of the whole key, which then stands in the object's metadata, so that a listing gives it back. Keys that agree in all
 * that is kept are listed in the order of their hashes.
 */

const nameBytesMax = 1024;

/** Leaves room for the hash. */
const keptBytes = 900;

export interface ObjectName {
  readonly name: string;
  /** What the object's metadata must say of its key. */
  readonly metadata: { readonly key?: string };
}

export function nameOf(key: string): ObjectName {
  if (Buffer.byteLength(key) <= nameBytesMax) return { name: key, metadata: {} };
  return { name: `${kept(key)}~${createHash('sha256').update(key).digest('hex')}`, metadata: { key } };
}

/** What every name of a key below `prefix` begins with. */
export function prefixOf(prefix: string): string {
  return Buffer.byteLength(prefix) <= keptBytes ? prefix : kept(prefix);
}

/** The beginning of it, cut between characters. */
function kept(key: string): string {
  const bytes = Buffer.from(key);
  let end = keptBytes;
  while ((bytes[end]! & 0xc0) === 0x80) end--;
  return bytes.toString('utf8', 0, end);
}

/** The key of an object. What its metadata claims counts only where the name bears it out: others may create too. */
export function keyOf(name: string, claimed: string | undefined): string {
  return claimed !== undefined && nameOf(claimed).name === name ? claimed : name;
}
