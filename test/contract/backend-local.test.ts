import { v7 } from 'uuid';
import { keys } from '../../src/contracts/keys.ts';
import type { TaskRecord } from '../../src/contracts/task.ts';
import { createLocalSeal } from '../../src/seal/local.ts';
import { codeTask, createYard } from '../e2e/yard.ts';
import { type BackendBench, backendContract } from './backend-suite.ts';

async function open(): Promise<BackendBench> {
  const yard = createYard();
  const { backend } = yard.server();
  const seal = createLocalSeal({ keyFile: `${yard.home}/key` });
  const runners = new Set<number>();
  return {
    backend: {
      ...backend,
      async launch(task) {
        const handle = await backend.launch(task);
        runners.add(Number(handle.pid));
        return handle;
      },
    },
    store: yard.store,
    async sleepingTask() {
      const id = `task_${v7()}`;
      const record: TaskRecord = {
        id,
        kind: 'code',
        owner: 'local:0',
        backend: 'local',
        runs: 1,
        size: 'small',
        timeoutSeconds: 60,
        createdAt: new Date().toISOString(),
      };
      const { spec } = codeTask({ language: 'bash', code: 'sleep 60' });
      await yard.store.create(keys.sealed(id), await seal.seal(Buffer.from(JSON.stringify(spec)), id));
      await yard.store.create(keys.record(id), JSON.stringify(record));
      return record;
    },
    kill: async (handle) => void process.kill(Number(handle.pid), 'SIGKILL'),
    lostHandle: (handle) => ({ ...handle, boot: '00000000-0000-0000-0000-000000000000' }),
    async close() {
      for (const pid of runners) endRunner(pid);
      await yard.remove();
    },
  };
}

/** Its programs sleep for a minute: nobody waits for them. */
function endRunner(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

backendContract('the local backend', open);
