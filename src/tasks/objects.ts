import { z } from 'zod';
import { RunyardError } from '../contracts/errors.ts';
import { type TaskId, taskId } from '../contracts/ids.ts';
import { keys } from '../contracts/keys.ts';
import type { Store } from '../contracts/store.ts';
import { claim, handle, type RunResult, runResult, type TaskRecord, taskRecord } from '../contracts/task.ts';

/** The objects of a task, read and checked. What does not fit its schema is an error, never a guess. */

export async function readJson<T>(store: Store, key: string, schema: z.ZodType<T>): Promise<T | undefined> {
  const bytes = await store.read(key);
  if (bytes === undefined) return undefined;
  try {
    return schema.parse(JSON.parse(bytes.toString('utf8')));
  } catch (cause) {
    throw new RunyardError('backend_error', `The object ${key} in the store is not what Runyard wrote.`, { cause });
  }
}

const keyRecord = z.object({ task: taskId, mac: z.string() });

/** Which task lies under an idempotency key, and the HMAC of its request. */
export function readKeyRecord(store: Store, key: string) {
  return readJson(store, key, keyRecord);
}

export function readRecord(store: Store, id: TaskId): Promise<TaskRecord | undefined> {
  return readJson(store, keys.record(id), taskRecord);
}

/** Up to so many runs are looked at one by one: that costs less than a listing. */
const fewRuns = 4;

/** One place a run, in order; undefined where the run has no result. */
export async function readResults(store: Store, record: TaskRecord): Promise<(RunResult | undefined)[]> {
  if (record.runs <= fewRuns) {
    return Promise.all(runsOf(record).map((run) => readJson(store, keys.result(record.id, run), runResult)));
  }
  const results = new Array<RunResult | undefined>(record.runs).fill(undefined);
  await Promise.all(
    (await store.list(keys.results(record.id))).map(async (key) => {
      const result = await readJson(store, key, runResult);
      if (result !== undefined) results[result.run] = result;
    }),
  );
  return results;
}

function runsOf(record: TaskRecord): number[] {
  return Array.from({ length: record.runs }, (_, run) => run);
}

/** The runs that somebody has claimed. */
export async function claimedRuns(store: Store, record: TaskRecord): Promise<Set<number>> {
  if (record.runs <= fewRuns) {
    const claims = await Promise.all(runsOf(record).map((run) => readClaim(store, record.id, run)));
    return new Set(runsOf(record).filter((run) => claims[run] !== undefined));
  }
  const prefix = keys.claims(record.id);
  return new Set((await store.list(prefix)).map((key) => Number(key.slice(prefix.length))));
}

export function readClaim(store: Store, id: TaskId, run: number) {
  return readJson(store, keys.claim(id, run), claim);
}

export interface LaunchState {
  /** Launches begun until now; the next one is numbered so. */
  readonly count: number;
  /** Of the newest launch; undefined where the backend has not answered yet. */
  readonly handle: z.infer<typeof handle> | undefined;
  readonly newest: number;
}

export async function readLaunches(store: Store, id: TaskId): Promise<LaunchState> {
  const names = (await store.list(keys.launches(id))).map((key) => key.slice(keys.launches(id).length));
  const numbers = names.filter((name) => /^\d+$/.test(name)).map(Number);
  const newest = Math.max(-1, ...numbers);
  const found = newest === -1 ? undefined : await readJson(store, keys.launchHandle(id, newest), handle);
  return { count: newest + 1, newest, handle: found };
}
