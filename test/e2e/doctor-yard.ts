import { createRequire } from 'node:module';
import { readDeployFlags } from '../../src/commands/deploy/flags.ts';
import { type ApiName, googleApis } from '../../src/commands/deploy/google-rest.ts';
import { createPaper } from '../../src/commands/deploy/print.ts';
import { runDeploy } from '../../src/commands/deploy.ts';
import { lookAtCloud } from '../../src/commands/doctor/cloud/index.ts';
import type { TrialOptions } from '../../src/commands/doctor/cloud/trial.ts';
import type { Report } from '../../src/commands/doctor/render.ts';
import { examine } from '../../src/commands/doctor.ts';
import { type Config, readConfig } from '../../src/config.ts';
import type { Finding } from '../../src/contracts/sandbox.ts';
import { type AdminServer, startAdmin } from '../fakes/google/admin.ts';
import { boundaryAllows } from '../fakes/google/boundary.ts';
import { type CloudRunServer, startCloudRun } from '../fakes/google/cloud-run.ts';
import { type KmsServer, startKms } from '../fakes/google/kms.ts';
import { type SecretManagerServer, startSecretManager } from '../fakes/google/secret-manager.ts';
import type { Disturbance, RecordedRequest } from '../fakes/google/server.ts';
import { type StorageServer, startStorageServer } from '../fakes/google/storage-server.ts';
import { type StsServer, startSts } from '../fakes/google/sts.ts';

export const project = 'demo-project';
export const region = 'europe-west1';
export const bucket = `${project}-runyard`;
export const location = `projects/${project}/locations/${region}`;
export const kmsKey = `${location}/keyRings/runyard/cryptoKeys/tasks`;
export const image = `europe-docker.pkg.dev/other-project/images/runyard@sha256:${'0123456789abcdef'.repeat(4)}`;

/** A project into which `runyard deploy` has put everything, and the doctor's looks at it. */
export interface DoctorYard {
  readonly admin: AdminServer;
  readonly storage: StorageServer;
  readonly kms: KmsServer;
  readonly secrets: SecretManagerServer;
  readonly sts: StsServer;
  readonly run: CloudRunServer;
  /** For a process of its own: places, no credentials. */
  readonly env: Readonly<Record<string, string>>;
  /** Permissions that whoever asks does not have. */
  readonly denied: Set<string>;
  /** Whether storage keeps to the boundaries of tokens. */
  bounded: boolean;
  /** What becomes of a request to any of them but storage. */
  disturb: (request: RecordedRequest) => Disturbance | undefined;
  /** Runs `runyard deploy` again; throws where it does not end well. */
  deploy(): Promise<void>;
  /** Everything is allowed again, and nothing is disturbed. */
  calmDown(): void;
  /** What the doctor tells. */
  examine(more?: ExamineOptions): Promise<Report>;
  /** The looks alone, without the trial. */
  looks(env?: ExamineOptions['env']): Promise<Looks>;
  close(): Promise<void>;
}

export interface Looks {
  readonly canTry: boolean;
  /** By subject. */
  readonly at: Readonly<Record<string, Omit<Finding, 'subject'>>>;
}

export interface ExamineOptions extends Partial<TrialOptions> {
  readonly env?: Readonly<Record<string, string>>;
}

export async function openDoctorYard(): Promise<DoctorYard> {
  const denied = new Set<string>();
  const held: Pick<DoctorYard, 'disturb' | 'bounded'> = { disturb: () => undefined, bounded: true };
  const disturb = (request: RecordedRequest) => held.disturb(request);
  const authorize = ({ permission }: { permission: string }) => !denied.has(permission);
  const sts = await startSts({ disturb });
  const [admin, storage, kms, secrets, run] = await Promise.all([
    startAdmin({ project, disturb, authorize, bucketsOfOthers: ['bucket-of-others'] }),
    startStorageServer({
      buckets: [bucket],
      accountOf: (token) => (sts.boundaryOf(token) === undefined ? undefined : 'downscoped@example.com'),
      authorize: ({ token, ...act }) =>
        token === undefined || !held.bounded ? authorize(act) : boundaryAllows(sts, { token, ...act }) === true,
    }),
    startKms({ disturb, authorize }),
    startSecretManager({ disturb, authorize }),
    startCloudRun({ disturb, authorize, location, imageEnv: { RUNYARD_CLAUDE_PATH: claude() } }),
  ]);
  const env = {
    RUNYARD_BACKEND: 'cloud-run',
    RUNYARD_PROJECT: project,
    RUNYARD_REGION: region,
    RUNYARD_SECRETS: 'secret-manager:npm env, env:LOCAL env',
    RUNYARD_RUN_ENDPOINT: run.url,
    RUNYARD_STORAGE_ENDPOINT: storage.url,
    RUNYARD_KMS_ENDPOINT: kms.url,
    RUNYARD_STS_ENDPOINT: sts.url,
    RUNYARD_SECRET_MANAGER_ENDPOINT: secrets.url,
  };
  const own: Partial<Record<ApiName, string>> = { run: run.url, kms: kms.url, secretManager: secrets.url };
  // Of a bucket one server knows the objects, the other one everything else.
  const endpointOf = (api: ApiName) => own[api] ?? admin.endpointOf(googleApis[api].host);
  const signal = new AbortController().signal;
  secrets.addVersion(`projects/${project}/secrets/npm`, 'value-of-npm');
  const yard: DoctorYard = Object.assign(held, {
    ...{ admin, storage, kms, secrets, sts, run, env, denied },
    async deploy() {
      const lines: string[] = [];
      const exitCode = await runDeploy(readDeployFlags(['--image', image]), configOf(env), {
        paper: createPaper(undefined, (text) => lines.push(text)),
        patience: { retryMs: 1000, settleMs: 1000, pollMs: 2 },
        ...{ endpointOf, signal },
      });
      if (exitCode !== 0) throw new Error(lines.join(''));
    },
    examine: ({ env: changed = {}, ...options }: ExamineOptions = {}) =>
      examine(configOf({ ...env, ...changed }), { endpointOf, tell: () => undefined, signal, ...options }),
    async looks(changed: ExamineOptions['env'] = {}) {
      const config = configOf({ ...env, ...changed });
      const { findings, canTry } = await lookAtCloud(config.cloud!, config, endpointOf);
      return { canTry, at: Object.fromEntries(findings.map(({ subject, ...told }) => [subject, told])) };
    },
    calmDown() {
      denied.clear();
      Object.assign(held, { disturb: () => undefined, bounded: true });
    },
    async close() {
      await run.close();
      await Promise.all([admin, storage, kms, secrets, sts].map((server) => server.close()));
    },
  });
  await yard.deploy();
  return yard;
}

function configOf(env: Readonly<Record<string, string>>): Config {
  return readConfig({ flags: [], env, userHome: '/nonexistent', isRoot: false, readFile: () => undefined });
}

/** What the image sets. */
function claude(): string {
  return createRequire(import.meta.url).resolve('@anthropic-ai/claude-code/bin/claude.exe');
}

/** For a process that is to be logged in to nothing, whoever runs the tests. */
export const strangers = {
  METADATA_SERVER_DETECTION: 'none',
  GOOGLE_APPLICATION_CREDENTIALS: '',
  CLOUDSDK_CONFIG: '/nonexistent',
  HOME: '/nonexistent',
};
