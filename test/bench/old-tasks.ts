import { join } from 'node:path';
import { v7 } from 'uuid';
import { keys } from '../../src/contracts/keys.ts';
import type { Store } from '../../src/contracts/store.ts';
import type { RunResult, TaskRecord } from '../../src/contracts/task.ts';
import { createFilesystemStore } from '../../src/store/filesystem.ts';
import type { Home } from './served.ts';

const dayMs = 24 * 3_600_000;
const atOnce = 32;

/** What ended tasks of the last 20 days leave in a store, made through the store itself. */
export async function makeOldTasks(home: Home, count: number): Promise<void> {
  const store = createFilesystemStore({ dir: join(home.path, 'store') });
  const numbers = Array.from({ length: count }, (_, number) => number);
  const worker = async () => {
    for (let number = numbers.pop(); number !== undefined; number = numbers.pop()) {
      await makeTask(store, Date.now() - dayMs - Math.floor((number / count) * 19 * dayMs));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  await store.close();
}

async function makeTask(store: Store, createdAtMs: number): Promise<void> {
  const id = `task_${v7({ msecs: createdAtMs })}`;
  const owner = `local:${process.getuid?.() ?? 'user'}`;
  const at = new Date(createdAtMs).toISOString();
  const record: TaskRecord = {
    id,
    kind: 'code',
    owner,
    backend: 'local',
    runs: 1,
    size: 'small',
    timeoutSeconds: 60,
    createdAt: at,
  };
  const result: RunResult = {
    ...{ run: 0, status: 'succeeded', exitCode: 0, stdout: '42\n', stderr: '', truncated: false, artifacts: [] },
    ...{ startedAt: at, durationMs: 20, sandbox: { technology: 'bubblewrap', network: 'none' } },
  };
  const line = { run: 0, seq: 0, time: at, stream: 'stdout', text: '42' };
  const objects: readonly (readonly [string, unknown])[] = [
    [keys.taskOf(owner, id), ''],
    [keys.record(id), record],
    [keys.launch(id, 0), { at, by: 'bench' }],
    [keys.claim(id, 0), { writer: 'bench', at }],
    [keys.eventChunk(id, 0, 0), line],
    [keys.result(id, 0), result],
    [keys.end(id), { status: 'succeeded', at, counts: { succeeded: 1, failed: 0, timed_out: 0, cancelled: 0 } }],
  ];
  for (const [key, value] of objects) await store.create(key, value === '' ? '' : JSON.stringify(value));
}
