import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { readDeployFlags } from '../../src/commands/deploy/flags.ts';
import { type ApiName, googleApis } from '../../src/commands/deploy/google-rest.ts';
import { createPaper } from '../../src/commands/deploy/print.ts';
import { runDeploy } from '../../src/commands/deploy.ts';
import { readConfig } from '../../src/config.ts';
import { RunyardError } from '../../src/contracts/errors.ts';
import { type AdminServer, type AdminState, startAdmin } from '../fakes/google/admin.ts';
import type { AdminOptions } from '../fakes/google/admin-world.ts';
import { type KmsServer, startKms } from '../fakes/google/kms.ts';
import { type SecretManagerServer, startSecretManager } from '../fakes/google/secret-manager.ts';
import type { Disturbance, RecordedRequest } from '../fakes/google/server.ts';

export const project = 'demo-project';
export const region = 'europe-west1';
export const bucket = `${project}-runyard`;
export const kmsKey = `projects/${project}/locations/${region}/keyRings/runyard/cryptoKeys/tasks`;
export const settings = {
  RUNYARD_PROJECT: project,
  RUNYARD_REGION: region,
  RUNYARD_SECRETS:
    'secret-manager:npm env, secret-manager:hook webhook@hooks.example.com:8443 for=key:ci, env:LOCAL env',
};

/** A package that an image could be built from. */
export function writePackage(contents: Readonly<Record<string, string>> = {}): { root: string; remove(): void } {
  const root = mkdtempSync(join(tmpdir(), 'runyard-package-'));
  const files = {
    'package.json': JSON.stringify({ version: '9.9.9', files: ['dist', 'sandbox-image', 'README.md'] }),
    'dist/main.js': 'main',
    'dist/runner/main.js': 'runner',
    'sandbox-image/Dockerfile': 'FROM scratch',
    ...contents,
  };
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
  return { root, remove: () => rmSync(root, { recursive: true }) };
}

export interface Outcome {
  readonly exitCode: number;
  readonly text: string;
}

export interface CloudState extends AdminState {
  readonly key: object | undefined;
  readonly keyPolicy: object | undefined;
  readonly secrets: Readonly<Record<string, object>>;
}

/** A project of Google Cloud: the fakes together, and the command that works on it. */
export interface Cloud {
  readonly admin: AdminServer;
  readonly kms: KmsServer;
  readonly secrets: SecretManagerServer;
  /** Runs the command. What it throws of the catalogue becomes exit code 1, as on the command line. */
  run(flags: readonly string[], more?: RunOptions): Promise<Outcome>;
  /** Every request to any of them, in order. */
  readonly requests: readonly RecordedRequest[];
  /** Called for each request; `at` counts from 0. */
  disturb: (request: RecordedRequest, at: number) => Disturbance | undefined;
  state(): CloudState;
  close(): Promise<void>;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Of the machine that deploys, by path. */
  readonly files?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  readonly settleMs?: number;
  /** In place of the package that the cloud was opened with. */
  readonly packageRoot?: string;
}

export async function openCloud(options: AdminOptions, ownRoot: string): Promise<Cloud> {
  const requests: RecordedRequest[] = [];
  const cloud: Pick<Cloud, 'disturb'> = { disturb: () => undefined };
  const disturb = (request: RecordedRequest) => {
    requests.push(request);
    return cloud.disturb(request, requests.length - 1);
  };
  const admin = await startAdmin({ ...options, disturb });
  const kms = await startKms({ disturb });
  const secrets = await startSecretManager({ disturb });
  const endpointOf = (api: ApiName) => {
    if (api === 'kms') return kms.url;
    return api === 'secretManager' ? secrets.url : admin.endpointOf(googleApis[api].host);
  };
  const run: Cloud['run'] = async (
    flags,
    { env = {}, files = {}, signal = new AbortController().signal, settleMs = 5000, packageRoot = ownRoot } = {},
  ) => {
    const lines: string[] = [];
    const config = readConfig({
      flags: [],
      env: { ...settings, ...env },
      userHome: '/home/u',
      isRoot: false,
      readFile: (path) => files[path],
    });
    const paper = createPaper(undefined, (text) => lines.push(text));
    const patience = { retryMs: 3000, settleMs, pollMs: 2 };
    try {
      const exitCode = await runDeploy(readDeployFlags(flags), config, {
        paper,
        signal,
        endpointOf,
        patience,
        packageRoot,
      });
      return { exitCode, text: lines.join('') };
    } catch (error) {
      if (error instanceof RunyardError)
        return { exitCode: 1, text: `${lines.join('')}${error.message} ${error.hint}` };
      throw error;
    }
  };
  return Object.assign(cloud, {
    admin,
    kms,
    secrets,
    requests,
    run,
    state: () => ({
      ...admin.state(),
      key: withoutTimes(kms.keyOf(kmsKey)),
      keyPolicy: bindingsOf(kms.policyOf(kmsKey)),
      secrets: Object.fromEntries(
        ['npm', 'hook', 'runyard-api-keys', 'runyard-anthropic-api-key'].flatMap((name) => {
          const full = `projects/${project}/secrets/${name}`;
          return secrets.secretOf(full) === undefined ? [] : [[name, bindingsOf(secrets.policyOf(full))]];
        }),
      ),
    }),
    async close() {
      await Promise.all([admin.close(), kms.close(), secrets.close()]);
    },
  });
}

/** What no two runs have in common. */
function withoutTimes(key: object | undefined): object | undefined {
  if (key === undefined) return undefined;
  const { createTime, nextRotationTime, ...rest } = key as Record<string, unknown>;
  return { ...rest, made: createTime !== undefined, rotates: nextRotationTime !== undefined };
}

function bindingsOf(policy: { bindings?: unknown } | undefined): object {
  return { bindings: policy?.bindings };
}
