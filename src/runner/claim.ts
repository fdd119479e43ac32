import { randomUUID } from 'node:crypto';
import { keys } from '../contracts/keys.ts';
import type { Store } from '../contracts/store.ts';
import { type Claim, claim as claimSchema, type Handle, type TaskRecord } from '../contracts/task.ts';

/**
 * Takes the run for this runner; undefined where it belongs to somebody else. A create whose answer was lost is settled
 * by reading back: the claim carries a random writer, and mine is won.
 */
export async function claimRun(
  store: Store,
  task: Pick<TaskRecord, 'id'>,
  run: number,
  handle: Handle,
): Promise<Claim | undefined> {
  const mine: Claim = { writer: randomUUID(), at: new Date().toISOString(), handle };
  const key = keys.claim(task.id, run);
  try {
    if ((await store.create(key, JSON.stringify(mine))) === 'created') return mine;
  } catch (error) {
    if (!(await isMine(store, key, mine))) throw error;
    return mine;
  }
  return (await isMine(store, key, mine)) ? mine : undefined;
}

async function isMine(store: Store, key: string, mine: Claim): Promise<boolean> {
  const bytes = await store.read(key);
  return bytes !== undefined && claimSchema.parse(JSON.parse(bytes.toString('utf8'))).writer === mine.writer;
}
