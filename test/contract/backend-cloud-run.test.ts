import { createCloudRunBackend } from '../../src/backends/cloud-run/index.ts';
import { createTaskTokens } from '../../src/backends/cloud-run/task-token.ts';
import { newTaskId } from '../../src/contracts/ids.ts';
import { keys } from '../../src/contracts/keys.ts';
import type { TaskRecord } from '../../src/contracts/task.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { createKmsSeal } from '../../src/seal/kms.ts';
import { createGcsStore } from '../../src/store/gcs/index.ts';
import { codeTask } from '../e2e/yard.ts';
import { startGoogle } from '../fakes/google/yard.ts';
import { type BackendBench, backendContract } from './backend-suite.ts';

async function open(): Promise<BackendBench> {
  const google = await startGoogle();
  const { project, bucket, kmsKey: key, endpoints } = google.place;
  const store = createGcsStore({ project, bucket, endpoint: endpoints.storage });
  const seal = createKmsSeal({ project, key, endpoint: endpoints.kms });
  const backend = createCloudRunBackend({
    place: google.place,
    mintToken: createTaskTokens(google.place).mint,
    log: silentLogger,
  });
  return {
    backend,
    store,
    async sleepingTask() {
      const id = newTaskId();
      const record: TaskRecord = {
        id,
        kind: 'code',
        owner: 'local:0',
        backend: 'cloud-run',
        runs: 1,
        size: 'small',
        timeoutSeconds: 60,
        createdAt: new Date().toISOString(),
      };
      const { spec } = codeTask({ language: 'bash', code: 'sleep 60' });
      await store.create(keys.sealed(id), await seal.seal(Buffer.from(JSON.stringify(spec)), id));
      await store.create(keys.record(id), JSON.stringify(record));
      return record;
    },
    kill: async ({ execution }) => google.run.kill(google.run.executionOf(String(execution)), 0),
    lostHandle: ({ execution }) => ({ execution: `${execution}-gone` }),
    async close() {
      await backend.close();
      await google.close();
    },
  };
}

backendContract('the backend on Cloud Run', open);
