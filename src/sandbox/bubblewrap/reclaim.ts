import { readdir, stat } from 'node:fs/promises';
import { hasCode } from '../../lib/has-code.ts';
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
  for (const folder of ['bin', 'shared']) {
    await removeAside(`${workDir}/${folder}`).catch((error: unknown) => failures.push(error));
  }
  if (failures.length > 0) throw new AggregateError(failures, 'Not all that killed runners left could be removed.');
}

async function namesIn(folder: string): Promise<ReadonlySet<string>> {
  return new Set(await readdir(folder));
}

/** Nobody takes so long to copy a program. */
const asideMs = 3_600_000;
const asideName = /(^|\.)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** What was made aside and never renamed into its place: its maker was killed. */
async function removeAside(folder: string): Promise<void> {
  const names = (await unlessGone(readdir(folder))) ?? [];
  for (const name of names.filter((each) => asideName.test(each))) {
    const made = await unlessGone(stat(`${folder}/${name}`));
    if (made !== undefined && Date.now() - made.mtimeMs > asideMs) await wipe(`${folder}/${name}`);
  }
}

function unlessGone<T>(looked: Promise<T>): Promise<T | undefined> {
  return looked.catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  });
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
