import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const looksMax = 10;
const betweenLooksMs = 200;

/** Work in a home of its own, of which nothing stays. */
export async function inScratchHome<T>(work: (home: string) => Promise<T>): Promise<T> {
  const home = await mkdtemp(join(tmpdir(), 'runyard-doctor-'));
  try {
    return await work(home);
  } finally {
    await removeForGood(home);
  }
}

/** A runner that was let go may still write its last words, and makes the folders for them anew. */
async function removeForGood(home: string): Promise<void> {
  for (let looks = 0; looks < looksMax && existsSync(home); looks++) {
    await rm(home, { recursive: true, force: true, maxRetries: 5 });
    await delay(betweenLooksMs);
  }
}
