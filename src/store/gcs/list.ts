import type { Bucket } from '@google-cloud/storage';
import { z } from 'zod';
import type { ListOptions } from '../../contracts/store.ts';
import type { Insist } from './access.ts';
import { keyOf, nameOf, prefixOf } from './names.ts';

/** Google gives no more at once. */
const pageKeysMax = 1000;

const page = z.object({
  items: z
    .array(z.object({ name: z.string(), metadata: z.object({ key: z.string().optional() }).optional() }))
    .default([]),
  nextPageToken: z.string().optional(),
});

/** Google lists in the byte order of names. A page may hold fewer than it was asked for, even none, and not be the last. */
export async function listKeys(
  bucket: Bucket,
  prefix: string,
  { after, limit = Number.POSITIVE_INFINITY }: ListOptions,
  insist: Insist,
): Promise<string[]> {
  const query = {
    prefix: prefixOf(prefix),
    // Inclusive, so one more is asked for.
    ...(after === undefined ? {} : { startOffset: nameOf(after).name }),
    maxResults: Math.min(limit + 1, pageKeysMax),
    fields: 'items(name,metadata/key),nextPageToken',
    autoPaginate: false,
  };
  const keys: string[] = [];
  for (let pageToken: string | undefined; ; ) {
    const { items, nextPageToken } = await insist(async () => {
      const [, , answer] = await bucket.getFiles({ ...query, ...(pageToken === undefined ? {} : { pageToken }) });
      return page.parse(answer);
    });
    for (const { name, metadata } of items) {
      const key = keyOf(name, metadata?.key);
      if (key !== after && key.startsWith(prefix)) keys.push(key);
    }
    if (nextPageToken === undefined || keys.length >= limit) return keys.slice(0, limit);
    pageToken = nextPageToken;
  }
}
