import { readdir } from 'node:fs/promises';
import { identities } from './identity.ts';
import { takeLease } from './lease.ts';
import { sweep } from './sweep.ts';
import { wipe } from './wipe.ts';

/**
 * Ends and deletes what runners left that were killed: their identities are free, their folders still there. What is
 * held is another runner's and stays.
 */
export async function reclaimAbandoned(workDir: string): Promise<void> {
  const folders = new Set(await readdir(workDir));
  const left = (await identities()).filter(({ name }) => folders.has(name));
  for (const identity of left) {
    const lease = await takeLease(identity.name);
    if (lease === undefined) continue;
    try {
      await sweep(identity);
      await wipe(`${workDir}/${identity.name}`);
    } finally {
      await lease.release();
    }
  }
}
