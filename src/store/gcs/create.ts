import { randomUUID } from 'node:crypto';
import type { File } from '@google-cloud/storage';
import type { Created } from '../../contracts/store.ts';
import { crc32cBase64 } from '../../lib/crc32c.ts';
import { statusOfFailure } from '../../lib/google.ts';
import type { BucketAccess, Insist } from './access.ts';
import { isTaken } from './failures.ts';
import { nameOf } from './names.ts';

/**
 * One object that is to be created. It carries a random writer in its metadata, so that a create whose answer was lost
 * is settled by looking whose object stands there: two writers of the same bytes are still two.
 */
export interface Creation {
  readonly file: File;
  readonly metadata: { readonly contentType: string; readonly metadata: Readonly<Record<string, string>> };
  /** What is known of the object once Google said that one stands under the name. */
  whose(): Promise<Owner>;
}

/** `unseen`: it may not be read, or is gone again. */
export type Owner = 'mine' | 'others' | 'unseen';

/** Never shown by a browser as anything but a download. */
const contentType = 'application/octet-stream';

export function creationOf({ reader, writer: creator }: BucketAccess, key: string): Creation {
  const { name, metadata } = nameOf(key);
  const writer = randomUUID();
  return {
    file: creator.file(name),
    metadata: { contentType, metadata: { ...metadata, writer } },
    async whose() {
      try {
        const [found] = await reader.file(name).getMetadata();
        return found.metadata?.writer === writer ? 'mine' : 'others';
      } catch (error) {
        if ([401, 403, 404].includes(statusOfFailure(error) ?? 0)) return 'unseen';
        throw error;
      }
    },
  };
}

/** An object stands under the name, and it may be that of an attempt whose answer was lost. */
export type Unsettled = 'unsettled';

/** What a create comes to where Google said that the name is taken. On the first attempt it is by somebody else. */
export function takenAt(attempt: number): 'exists' | Unsettled {
  return attempt === 0 ? 'exists' : 'unsettled';
}

/** Where nobody may look, "exists" is what is known, and is true. */
export async function settle(creation: Creation, insist: Insist): Promise<Created> {
  return (await insist(creation.whose)) === 'mine' ? 'created' : 'exists';
}

/** For an object that is held in memory: one request, which creates it whole or not at all. */
export async function createWhole(creation: Creation, bytes: Uint8Array, insist: Insist): Promise<Created> {
  const { file, metadata } = creation;
  const options = {
    resumable: false,
    // The client's own check would delete the object of whoever may only create. Google checks what is sent along.
    validation: false,
    metadata: { ...metadata, crc32c: crc32cBase64(bytes) },
    preconditionOpts: { ifGenerationMatch: 0 },
  };
  const outcome = await insist(async (attempt) => {
    try {
      await file.save(bytes, options);
      return 'created';
    } catch (error) {
      if (isTaken(error)) return takenAt(attempt);
      throw error;
    }
  });
  return outcome === 'unsettled' ? settle(creation, insist) : outcome;
}
