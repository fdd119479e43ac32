import { createHash } from 'node:crypto';
import { z } from 'zod';
import { crc32cBase64 } from '../../../src/lib/crc32c.ts';
import { badRequest, conditionNotMet, damagedUpload, noSuchObject } from './storage-failure.ts';

/** What a create says of its object besides the bytes; what this does not name Google would keep too, and we do not use. */
export const givenMetadata = z.strictObject({
  name: z.string().optional(),
  contentType: z.string().optional(),
  cacheControl: z.string().optional(),
  customTime: z.string().optional(),
  crc32c: z.string().optional(),
  md5Hash: z.string().optional(),
  metadata: z.record(z.string(), z.string()).optional(),
});

export type GivenMetadata = z.infer<typeof givenMetadata>;

export interface StoredObject {
  readonly name: string;
  readonly generation: string;
  /** A test may damage them: the checksum is that of what was stored. */
  bytes: Buffer;
  readonly crc32c: string;
  readonly md5Hash: string;
  readonly timeCreated: string;
  readonly contentType: string;
  readonly metadata?: Record<string, string> | undefined;
}

/** The objects of one bucket by name. */
export type Objects = Map<string, StoredObject>;

export interface Precondition {
  /** `0`: none may be there. */
  readonly ifGenerationMatch?: string | undefined;
}

export function checkPrecondition(found: StoredObject | undefined, { ifGenerationMatch }: Precondition): void {
  if (ifGenerationMatch !== undefined && ifGenerationMatch !== (found?.generation ?? '0')) throw conditionNotMet();
}

/** Stores the object, or throws and leaves everything as it was. */
export function insertObject(
  objects: Objects,
  name: string,
  bytes: Buffer,
  given: GivenMetadata,
  precondition: Precondition,
): StoredObject {
  checkName(name);
  checkPrecondition(objects.get(name), precondition);
  const crc32c = crc32cBase64(bytes);
  const md5Hash = createHash('md5').update(bytes).digest('base64');
  if (given.crc32c !== undefined && given.crc32c !== crc32c) throw damagedUpload('CRC32C', given.crc32c, crc32c);
  if (given.md5Hash !== undefined && given.md5Hash !== md5Hash) throw damagedUpload('MD5', given.md5Hash, md5Hash);
  const { contentType = 'application/octet-stream', metadata } = given;
  const generation = String(process.hrtime.bigint());
  const timeCreated = new Date().toISOString();
  const stored = { name, generation, bytes, crc32c, md5Hash, timeCreated, contentType, metadata };
  objects.set(name, stored);
  return stored;
}

function checkName(name: string): void {
  const bytes = Buffer.byteLength(name);
  if (bytes < 1 || bytes > 1024)
    throw badRequest(`The maximum object name length is 1024 bytes, but got a name with ${bytes} bytes.`);
  if (/[\r\n]/.test(name) || name === '.' || name === '..') throw badRequest('Disallowed object name.');
}

export function findObject(objects: Objects, bucket: string, name: string): StoredObject {
  const found = objects.get(name);
  if (found === undefined) throw noSuchObject(bucket, name);
  return found;
}

/** As the JSON API gives it. */
export function resourceOf(bucket: string, { bytes, ...object }: StoredObject): Record<string, unknown> {
  return {
    kind: 'storage#object',
    id: `${bucket}/${object.name}/${object.generation}`,
    bucket,
    size: String(bytes.length),
    metageneration: '1',
    storageClass: 'STANDARD',
    ...object,
  };
}

export interface ListQuery {
  readonly prefix?: string | undefined;
  /** Inclusive. */
  readonly startOffset?: string | undefined;
  readonly maxResults?: string | undefined;
  readonly pageToken?: string | undefined;
}

/** One page of names in the order of their bytes. The token of the next is the last name of this one. */
export function listObjects(objects: Objects, query: ListQuery, pageKeysMax: number) {
  const { prefix = '', startOffset = '', maxResults = pageKeysMax, pageToken } = query;
  const after = pageToken === undefined ? undefined : Buffer.from(pageToken, 'base64');
  const from = Buffer.from(startOffset);
  const names = [...objects.keys()]
    .filter((name) => name.startsWith(prefix))
    .map((name) => Buffer.from(name))
    .filter((name) => Buffer.compare(name, from) >= 0 && (after === undefined || Buffer.compare(name, after) > 0))
    .sort(Buffer.compare);
  const page = names.slice(0, Math.min(Number(maxResults), pageKeysMax));
  return {
    names: page.map(String),
    nextPageToken: page.length < names.length ? page.at(-1)!.toString('base64') : undefined,
  };
}
