import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CloudRunBackend, createCloudRunBackend } from '../../src/backends/cloud-run/index.ts';
import type { CloudPlace } from '../../src/contracts/cloud.ts';
import { newTaskId } from '../../src/contracts/ids.ts';
import type { TaskRecord } from '../../src/contracts/task.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { type CloudRunOptions, type CloudRunServer, startCloudRun } from '../fakes/google/cloud-run.ts';

/** The backend against Cloud Run with containers of a few lines: how they end is said by the environment of the Job. */
export interface CloudRunBench {
  readonly cloud: CloudRunServer;
  readonly backend: CloudRunBackend;
  readonly place: CloudPlace;
  /** `ends`: for each run how its container ends: an exit code, or `sleep`. */
  task(ends: readonly (number | 'sleep')[], more?: Partial<TaskRecord>): TaskRecord;
  /** A backend on the same Cloud Run. */
  another(more: { readonly mintToken?: () => Promise<string>; readonly place?: Partial<CloudPlace> }): CloudRunBackend;
  close(): Promise<void>;
}

const program = `
const end = process.env.ENDS.split(',')[Number(process.env.CLOUD_RUN_TASK_INDEX)];
if (end === 'sleep') setTimeout(() => {}, 60_000);
else process.exit(Number(end));
`;

export async function openBench(options: CloudRunOptions = {}): Promise<CloudRunBench> {
  const dir = mkdtempSync(join(tmpdir(), 'runyard-bench-'));
  const file = join(dir, 'container.mjs');
  writeFileSync(file, program);
  const cloud = await startCloudRun({ program: file, ...options });
  const place: CloudPlace = {
    project: 'a-project',
    region: 'europe-west1',
    job: 'runyard',
    bucket: 'a-project-runyard',
    kmsKey: 'projects/a-project/locations/europe-west1/keyRings/runyard/cryptoKeys/tasks',
    endpoints: { run: cloud.url },
  };
  const backends: CloudRunBackend[] = [];
  const another: CloudRunBench['another'] = ({ mintToken = async () => 'a token', place: more = {} }) => {
    const backend = createCloudRunBackend({ place: { ...place, ...more }, mintToken, log: silentLogger });
    backends.push(backend);
    return backend;
  };

  return {
    cloud,
    place,
    another,
    backend: another({}),
    task(ends, more = {}) {
      const job = `projects/${place.project}/locations/${place.region}/jobs/runyard-${more.size ?? 'small'}`;
      cloud.putJob(job, jobOf({ ENDS: ends.join(',') }));
      return {
        id: newTaskId(),
        kind: 'code',
        owner: 'local:0',
        backend: 'cloud-run',
        runs: ends.length,
        size: 'small',
        timeoutSeconds: 60,
        createdAt: new Date().toISOString(),
        ...more,
      };
    },
    async close() {
      for (const backend of backends) await backend.close();
      await cloud.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** A Job as `deploy` makes it, as far as these tests care. */
export function jobOf(env: Readonly<Record<string, string>>) {
  const container = { image: 'an-image', env: Object.entries(env).map(([name, value]) => ({ name, value })) };
  return {
    template: { taskCount: 1, template: { maxRetries: 0, timeout: { seconds: 3600 }, containers: [container] } },
  };
}
