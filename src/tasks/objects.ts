import { z } from 'zod';
import { RunyardError } from '../contracts/errors.ts';
import { type TaskId, taskId } from '../contracts/ids.ts';
import { keys } from '../contracts/keys.ts';
import type { Store } from '../contracts/store.ts';
import {
  type Claim,
  claim,
  type Handle,
  handle,
  type RunResult,
  runResult,
  type TaskRecord,
  taskRecord,
} from '../contracts/task.ts';

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

export function readResult(store: Store, id: TaskId, run: number): Promise<RunResult | undefined> {
  return readJson(store, keys.result(id, run), runResult);
}

export function readClaim(store: Store, id: TaskId, run: number): Promise<Claim | undefined> {
  return readJson(store, keys.claim(id, run), claim);
}

/** The runs that have a result, by one listing. */
export async function runsWithResult(store: Store, id: TaskId): Promise<Set<number>> {
  return runsNamedBelow(keys.results(id), await store.list(keys.results(id)));
}

/** The runs that somebody has claimed, by one listing. */
export async function runsWithClaim(store: Store, id: TaskId): Promise<Set<number>> {
  return runsNamedBelow(keys.claims(id), await store.list(keys.claims(id)));
}

/** `claims/7` and `results/7.json` both name run 7. */
function runsNamedBelow(prefix: string, found: readonly string[]): Set<number> {
  return new Set(found.map((key) => Number.parseInt(key.slice(prefix.length), 10)));
}

export async function anyRunIsClaimed(store: Store, { id, runs }: TaskRecord): Promise<boolean> {
  if (runs === 1) return (await readClaim(store, id, 0)) !== undefined;
  return (await store.list(keys.claims(id), { limit: 1 })).length > 0;
}

export function runsOf({ runs }: TaskRecord): number[] {
  return Array.from({ length: runs }, (_, run) => run);
}

export interface LaunchState {
  /** One place a launch, in order; undefined where the backend has not answered yet. */
  readonly handles: readonly (Handle | undefined)[];
  /** Launches begun until now; the next one is numbered so. */
  readonly count: number;
  /** Of the newest launch. */
  readonly handle: Handle | undefined;
}

export async function readLaunches(store: Store, id: TaskId): Promise<LaunchState> {
  const prefix = keys.launches(id);
  const names = (await store.list(prefix)).map((key) => key.slice(prefix.length));
  const count = 1 + Math.max(-1, ...names.filter((name) => /^\d+$/.test(name)).map(Number));
  const handles = await Promise.all(
    Array.from({ length: count }, (_, k) =>
      names.includes(`${k}.handle`) ? readJson(store, keys.launchHandle(id, k), handle) : undefined,
    ),
  );
  return { handles, count, handle: handles.at(-1) };
}
