import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createLocalBackend } from '../backends/local/index.ts';
import type { RunnerProcessOptions } from '../backends/local/runner-process.ts';
import type { Config } from '../config.ts';
import type { Backend } from '../contracts/backend.ts';
import type { CloudPlace } from '../contracts/cloud.ts';
import { keys } from '../contracts/keys.ts';
import type { Seal } from '../contracts/seal.ts';
import type { Store } from '../contracts/store.ts';
import type { Noticing } from '../contracts/task-service.ts';
import { executable, findProgram } from '../lib/find-program.ts';
import type { Logger } from '../lib/logger.ts';
import { SettingsError } from '../lib/settings.ts';
import { keepHeapSmall } from '../lib/small-heap.ts';
import { engineEnvironment } from '../sandbox/shared/engine-environment.ts';
import { createLocalSeal } from '../seal/local.ts';
import { createFilesystemStore } from '../store/filesystem.ts';
import { noticingByLooks, noticingByNews } from '../tasks/noticing.ts';

/** What differs from backend to backend. */
export interface Engine {
  readonly store: Store;
  readonly seal: Seal;
  readonly backend: Backend;
  readonly noticing: Noticing;
  warm(): Promise<unknown>;
}

export function openLocal(config: Config, log: Logger, news: Pick<RunnerProcessOptions, 'onHint' | 'onGone'>): Engine {
  const backend = createLocalBackend({
    program: runnerProgram(),
    env: runnerEnvironment(config),
    logFile: join(config.home, 'runner.log'),
    ...news,
    log,
  });
  return {
    store: createFilesystemStore({ dir: join(config.home, 'store') }),
    seal: createLocalSeal({ keyFile: join(config.home, 'key') }),
    backend,
    noticing: noticingByNews,
    warm: async () => backend.warm(),
  };
}

/** Loads what talks to Google only here. */
export async function openCloud(place: CloudPlace | undefined, log: Logger): Promise<Engine> {
  if (place === undefined) throw new SettingsError('The backend cloud-run needs RUNYARD_PROJECT and RUNYARD_REGION.');
  keepHeapSmall();
  const [{ createGcsStore }, { createKmsSeal }, { createCloudRunBackend }, { createTaskTokens }] = await Promise.all([
    import('../store/gcs/index.ts'),
    import('../seal/kms.ts'),
    import('../backends/cloud-run/index.ts'),
    import('../backends/cloud-run/task-token.ts'),
  ]);
  const { project, bucket, kmsKey: key, endpoints } = place;
  const store = createGcsStore({ project, bucket, endpoint: endpoints.storage });
  const seal = createKmsSeal({ project, key, endpoint: endpoints.kms });
  const tokens = createTaskTokens(place);
  const backend = createCloudRunBackend({ place, mintToken: tokens.mint, log });
  return {
    store,
    seal,
    backend,
    noticing: noticingByLooks,
    warm: () =>
      Promise.all([backend.warm(), tokens.warm(), store.read(keys.macKey), seal.seal(new Uint8Array(), keys.macKey)]),
  };
}

/** Beside the folder of this file: `.ts` in development, `.js` once built. */
function runnerProgram(): string {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return fileURLToPath(new URL(`../runner/main.${extension}`, import.meta.url));
}

/** All that a runner reads from its environment: no secret is among it. */
function runnerEnvironment(config: Config): Record<string, string> {
  const claudePath = claudeProgram(config);
  return {
    // Where programs are, and by what the container engines' clients find their engine.
    ...engineEnvironment(process.env),
    RUNYARD_HOME: config.home,
    RUNYARD_WORK: config.work,
    RUNYARD_SANDBOX: config.sandbox,
    ...(claudePath === undefined ? {} : { RUNYARD_CLAUDE_PATH: claudePath }),
    ...(config.image === undefined ? {} : { RUNYARD_IMAGE: config.image }),
    // A service of Cloud Run: its walls are others.
    ...(process.env.K_SERVICE === undefined ? {} : { K_SERVICE: process.env.K_SERVICE }),
  };
}

/** The `claude` that runs are given; undefined where there is none. */
export function claudeProgram({ claudePath }: Pick<Config, 'claudePath'>): string | undefined {
  return claudePath ?? findProgram('claude', process.env.PATH ?? '') ?? packagedClaude();
}

/** The program of the package that Runyard depends on. */
function packagedClaude(): string | undefined {
  try {
    return executable(createRequire(import.meta.url).resolve('@anthropic-ai/claude-code/bin/claude.exe'));
  } catch {
    return undefined;
  }
}
