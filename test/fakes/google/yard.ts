import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CloudPlace } from '../../../src/contracts/cloud.ts';
import { sizes } from '../../../src/contracts/limits.ts';
import { boundaryAllows } from './boundary.ts';
import { type CloudRunOptions, type CloudRunServer, startCloudRun } from './cloud-run.ts';
import { type FakeGcs, hasFakeGcs, startFakeGcs } from './fake-gcs.ts';
import { type KmsServer, startKms } from './kms.ts';
import type { Policy } from './policy.ts';
import { type AccessOptions, type Doors, openAccess } from './policy-access.ts';
import { type SecretManagerServer, startSecretManager } from './secret-manager.ts';
import { type StorageServer, startStorageServer } from './storage-server.ts';
import { type StsServer, startSts } from './sts.ts';
import { startTrouble, type Trouble, type TroubleOptions } from './trouble.ts';

/** All of Google for one installation of Runyard, as `deploy` leaves it: bucket, key, jobs in their sizes. */
export interface Google {
  /** For `runyard serve`, besides its home. */
  readonly env: Readonly<Record<string, string>>;
  readonly place: CloudPlace;
  readonly storage: { readonly url: string };
  /** Where storage is ours. */
  readonly storageServer: StorageServer | undefined;
  readonly kms: KmsServer;
  readonly sts: StsServer;
  readonly secretManager: SecretManagerServer;
  readonly run: CloudRunServer;
  /** Where there are doors: who may do what, and those of the server's account and of the runners'. */
  readonly access: { readonly policy: Policy; readonly server: Doors; readonly runner: Doors } | undefined;
  /** One before each service, where trouble was asked for. */
  readonly troubles: readonly Trouble[];
  /** Where storage is ours: the tokens of all executions until now are taken no more. */
  expireTokens(): void;
  /** Ends every container and every server. */
  close(): Promise<void>;
}

export interface GoogleOptions {
  readonly run?: Omit<CloudRunOptions, 'location'>;
  /** More of the environment of every Job. */
  readonly jobEnv?: Readonly<Record<string, string>>;
  /** `ours` takes no token but those of the token service, and lets them read what their boundary holds. */
  readonly storage?: 'ours';
  /** Doors before everything, behind which each account may do what it was granted; all may do all where not given. */
  readonly access?: AccessOptions;
  /** What happens to requests on their way, those of the server and those of the runners. */
  readonly trouble?: Pick<TroubleOptions, 'odds' | 'seed'>;
}

const project = 'a-project';
const region = 'europe-west1';
const bucket = `${project}-runyard`;
const location = `projects/${project}/locations/${region}`;

/** Storage is fake-gcs-server where it is installed and nothing else is asked for. */
export async function startGoogle({ run: runOptions = {}, jobEnv = {}, ...more }: GoogleOptions = {}): Promise<Google> {
  const access = more.access && (await openAccess(more.access));
  const sts = access?.sts ?? (await startSts());
  const guard = access === undefined ? {} : { authorize: access.policy.authorize };
  const expired = new Set<string>();
  const startOurs = () =>
    access === undefined ? startOurStorage(sts, expired) : startStorageServer({ buckets: [bucket] });
  const storageServer = hasFakeGcs && more.storage !== 'ours' ? undefined : await startOurs();
  const [storage, kms, secretManager, run] = await Promise.all([
    storageServer ?? startInstalledStorage(),
    startKms(guard),
    startSecretManager(guard),
    startCloudRun({ ...guard, ...runOptions, location, imageEnv: { ...imageEnv(), ...runOptions.imageEnv } }),
  ]);
  const troubles: Trouble[] = [];
  const urlOf = async ({ url }: { readonly url: string }): Promise<string> => {
    if (more.trouble === undefined) return url;
    const trouble = await startTrouble({ ...more.trouble, url });
    troubles.push(trouble);
    return trouble.url;
  };
  const behind = {
    run: await urlOf(run),
    storage: await urlOf(storage),
    kms: await urlOf(kms),
    sts: await urlOf(sts),
    secretManager: await urlOf(secretManager),
  };
  const doors = access && {
    policy: access.policy,
    server: await access.openDoors(emailOf('server'), behind),
    runner: await access.openDoors(emailOf('runner'), behind),
  };
  const place: CloudPlace = {
    project,
    region,
    job: 'runyard',
    bucket,
    kmsKey: `${location}/keyRings/runyard/cryptoKeys/tasks`,
    endpoints: doors?.server.endpoints ?? behind,
  };
  kms.addKey(place.kmsKey);
  const runnersPlace = { ...place, endpoints: doors?.runner.endpoints ?? behind };
  for (const [size, { cpus, memoryBytes }] of Object.entries(sizes)) {
    const limits = { cpu: String(cpus), memory: `${memoryBytes / 1024 ** 2}Mi` };
    run.putJob(`${location}/jobs/${place.job}-${size}`, jobOf({ ...runnerEnv(runnersPlace), ...jobEnv }, limits));
  }
  return {
    env: serverEnv(place),
    place,
    storage,
    storageServer,
    kms,
    sts,
    secretManager,
    run,
    access: doors,
    troubles,
    expireTokens() {
      for (const { spec } of run.executions()) expired.add(spec.env.RUNYARD_TASK_TOKEN!);
    },
    async close() {
      await run.close();
      await Promise.all(troubles.map((trouble) => trouble.close()));
      await access?.close();
      await Promise.all([storage.close(), kms.close(), sts.close(), secretManager.close()]);
    },
  };
}

/** The address of an account as `deploy` makes it. */
export function emailOf(account: 'server' | 'runner'): string {
  return `runyard-${account}@${project}.iam.gserviceaccount.com`;
}

// --- Internal helpers ---

function startOurStorage(sts: StsServer, expired: ReadonlySet<string>): Promise<StorageServer> {
  const isTaken = (token: string) => !expired.has(token) && sts.boundaryOf(token) !== undefined;
  return startStorageServer({
    buckets: [bucket],
    accountOf: (token) => (isTaken(token) ? 'downscoped@example.com' : undefined),
    authorize: ({ token, ...act }) => token === undefined || boundaryAllows(sts, { token, ...act }) === true,
  });
}

async function startInstalledStorage(): Promise<FakeGcs> {
  const storage = await startFakeGcs();
  await storage.makeBucket(bucket);
  return storage;
}

/** What the image of the runner sets: where it keeps `claude`; and that its many starts here compile little anew. */
function imageEnv(): Record<string, string> {
  return {
    RUNYARD_CLAUDE_PATH: createRequire(import.meta.url).resolve('@anthropic-ai/claude-code/bin/claude.exe'),
    NODE_COMPILE_CACHE: join(tmpdir(), 'node-compile-cache'),
  };
}

function serverEnv({ endpoints, ...place }: CloudPlace): Record<string, string> {
  return {
    RUNYARD_BACKEND: 'cloud-run',
    RUNYARD_PROJECT: place.project,
    RUNYARD_REGION: place.region,
    RUNYARD_JOB: place.job,
    RUNYARD_BUCKET: place.bucket,
    RUNYARD_KMS_KEY: place.kmsKey,
    RUNYARD_RUN_ENDPOINT: endpoints.run!,
    RUNYARD_STORAGE_ENDPOINT: endpoints.storage!,
    RUNYARD_KMS_ENDPOINT: endpoints.kms!,
    RUNYARD_STS_ENDPOINT: endpoints.sts!,
    RUNYARD_SECRET_MANAGER_ENDPOINT: endpoints.secretManager!,
  };
}

/** What the Job says to a runner: where everything lies. */
function runnerEnv({ endpoints, ...place }: CloudPlace): Record<string, string> {
  return {
    RUNYARD_PROJECT: place.project,
    RUNYARD_REGION: place.region,
    RUNYARD_BUCKET: place.bucket,
    RUNYARD_KMS_KEY: place.kmsKey,
    RUNYARD_STORAGE_ENDPOINT: endpoints.storage!,
    RUNYARD_KMS_ENDPOINT: endpoints.kms!,
  };
}

function jobOf(env: Readonly<Record<string, string>>, limits: Record<string, string>) {
  const container = {
    image: `${region}-docker.pkg.dev/${project}/runyard/runner@sha256:0`,
    env: Object.entries(env).map(([name, value]) => ({ name, value })),
    resources: { limits },
  };
  return {
    template: {
      taskCount: 1,
      template: {
        maxRetries: 0,
        timeout: { seconds: 3600 },
        serviceAccount: emailOf('runner'),
        executionEnvironment: 'EXECUTION_ENVIRONMENT_GEN2' as const,
        containers: [container],
      },
    },
  };
}
