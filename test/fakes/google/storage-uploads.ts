import { randomUUID } from 'node:crypto';
import { badRequest, noSuchUpload } from './storage-failure.ts';
import {
  type GivenMetadata,
  insertObject,
  type Objects,
  type Precondition,
  type StoredObject,
} from './storage-objects.ts';

/** Of what is not the end of an object, only whole pieces of this size are kept. */
const pieceBytes = 256 * 1024;

interface Upload {
  readonly objects: Objects;
  readonly name: string;
  readonly given: GivenMetadata;
  readonly precondition: Precondition;
  bytes: Buffer;
  finished?: StoredObject;
}

/** One PUT to an upload: `bytes START-END/TOTAL`, or a question about it without bytes. */
export interface UploadPart {
  readonly contentRange: string;
  /** Fewer than the range says where the connection broke. */
  readonly bytes: Buffer;
  readonly crc32c?: string | undefined;
}

export type UploadState = { readonly finished: StoredObject } | { readonly stored: number };

/** Resumable uploads: what arrived stays, also of a request that broke off; the object is there with the last byte. */
export function createUploads() {
  const uploads = new Map<string, Upload>();

  const find = (id: string): Upload => {
    const upload = uploads.get(id);
    if (upload === undefined) throw noSuchUpload();
    return upload;
  };

  return {
    /** Bytes that all uploads hold so far. */
    get storedBytes() {
      return [...uploads.values()].reduce((sum, { bytes }) => sum + bytes.length, 0);
    },

    begin(objects: Objects, name: string, given: GivenMetadata, precondition: Precondition): string {
      const id = randomUUID();
      uploads.set(id, { objects, name, given, precondition, bytes: Buffer.alloc(0) });
      return id;
    },

    put(id: string, { contentRange, bytes, crc32c }: UploadPart): UploadState {
      const upload = find(id);
      if (upload.finished !== undefined) return { finished: upload.finished };
      const { start, total } = parseRange(contentRange);
      if (start !== undefined) append(upload, start, bytes, total);
      if (total !== upload.bytes.length) return { stored: upload.bytes.length };
      const given = crc32c === undefined ? upload.given : { ...upload.given, crc32c };
      upload.finished = insertObject(upload.objects, upload.name, upload.bytes, given, upload.precondition);
      return { finished: upload.finished };
    },

    /** Google forgets an upload after a week. */
    forget(id: string): void {
      find(id);
      uploads.delete(id);
    },
  };
}

function parseRange(contentRange: string): { start: number | undefined; total: number | undefined } {
  const found = /^bytes (?:(\d+)-(?:\d+|\*)|\*)\/(\d+|\*)$/.exec(contentRange);
  if (found === null) throw badRequest(`Failed to parse Content-Range header: ${contentRange}`);
  const [, start, total] = found;
  return { start: start === undefined ? undefined : Number(start), total: total === '*' ? undefined : Number(total) };
}

/** What is stored already is not overwritten; a hole is refused. */
function append(upload: Upload, start: number, bytes: Buffer, total: number | undefined): void {
  const stored = upload.bytes.length;
  if (start > stored) throw badRequest(`Invalid request. According to the Content-Range header, bytes are missing.`);
  const all = Buffer.concat([upload.bytes, bytes.subarray(stored - start)]);
  const isWhole = total === all.length;
  upload.bytes = isWhole ? all : all.subarray(0, Math.max(stored, all.length - (all.length % pieceBytes)));
}
