import { expect } from 'vitest';
import { keys } from '../../src/contracts/keys.ts';
import type { Execution } from '../fakes/google/cloud-run-executions.ts';
import type { StoredObject } from '../fakes/google/storage-objects.ts';
import { type Google, type GoogleOptions, startGoogle } from '../fakes/google/yard.ts';
import { createHome, type Served, serve } from './served.ts';

/** A server on Cloud Run, and what a test asks of both. Storage is ours, which looks at tokens and can be looked into. */
export interface CloudYard {
  readonly google: Google;
  readonly served: Served;
  /** Of the server. */
  readonly home: string;
  /** Of the bucket, by key. */
  objects(): ReadonlyMap<string, StoredObject>;
  /** Starts a bash program; the id of its task. */
  start(code: string, more?: Record<string, unknown>): Promise<string>;
  /** What is said of the task once it has ended. */
  resultOf(task: string, by?: Served): Promise<Record<string, unknown>>;
  /** Resolves once the run belongs to a runner. */
  claimed(task: string, run?: number): Promise<void>;
  executionsOf(task: string): readonly Execution[];
  close(): Promise<void>;
}

export async function openCloudYard(options: GoogleOptions = {}): Promise<CloudYard> {
  const { home, remove } = createHome();
  const google = await startGoogle({ storage: 'ours', ...options });
  const served = await serve(home, google.env);
  const objects = () => google.storageServer!.objects(google.place.bucket);
  return {
    google,
    served,
    home,
    objects,
    async start(code, more = {}) {
      const input = { language: 'bash', code, wait_seconds: 0, ...more };
      return String((await served.call('execute_code', input)).task_id);
    },
    async resultOf(task, by = served) {
      for (const deadline = Date.now() + 50_000; ; ) {
        const answer = await by.call('get_task_logs', { task_id: task, wait_seconds: 5 });
        if (answer.result !== undefined || Date.now() > deadline) return answer;
      }
    },
    claimed: (task, run = 0) => expect.poll(() => objects().has(keys.claim(task, run)), { timeout: 20_000 }).toBe(true),
    executionsOf: (task) => google.run.executions().filter(({ spec }) => spec.env.RUNYARD_TASK === task),
    async close() {
      await served.close();
      await google.close();
      remove();
    },
  };
}
