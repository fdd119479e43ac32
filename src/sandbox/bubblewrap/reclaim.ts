import { readdir } from 'node:fs/promises';
import { wipe } from '../shared/wipe.ts';
import { type Groups, groupsThatAre, removeGroups } from './abandoned-groups.ts';
import { trialPrefix } from './find-cgroups.ts';
import { type Identity, identities } from './identity.ts';
import { takeLease } from './lease.ts';
import { sweep } from './sweep.ts';

/**
 * Ends and deletes what runners left that were killed: their identities are free, their folders and groups still
 * there. What is held is another runner's and stays. Throws once all have been tried, where some could not be ended.
 */
export async function reclaimAbandoned(workDir: string): Promise<void> {
  const [folders, groups, all] = await Promise.all([namesIn(workDir), groupsThatAre(), identities()]);
  const trials = [...groups.keys()].filter((name) => name.startsWith(trialPrefix));
  const failures: unknown[] = [];
  const attempt = async (name: string, end: () => Promise<void>) => {
    await ifFree(name, end).catch((error: unknown) => failures.push(error));
  };
  for (const name of trials) await attempt(name, () => removeGroups(groups, name));
  for (const identity of all.filter(({ name }) => folders.has(name) || groups.has(name))) {
    await attempt(identity.name, () => endIdentity(identity, workDir, groups));
  }
  if (failures.length > 0) throw new AggregateError(failures, 'Not all that killed runners left could be removed.');
}

async function namesIn(folder: string): Promise<ReadonlySet<string>> {
  return new Set(await readdir(folder));
}

async function ifFree(name: string, end: () => Promise<void>): Promise<void> {
  const lease = await takeLease(name);
  if (lease === undefined) return;
  try {
    await end();
  } finally {
    await lease.release();
  }
}

async function endIdentity(identity: Identity, workDir: string, groups: Groups): Promise<void> {
  await sweep(identity);
  await wipe(`${workDir}/${identity.name}`);
  await removeGroups(groups, identity.name);
}
