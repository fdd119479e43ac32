import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { createLocalBackend } from './backends/local/index.ts';
import type { RunnerProcessOptions } from './backends/local/runner-process.ts';
import type { Config } from './config.ts';
import type { Backend } from './contracts/backend.ts';
import type { CloudPlace } from './contracts/cloud.ts';
import type { Egress } from './contracts/egress.ts';
import type { IssueTracker } from './contracts/github.ts';
import { keys } from './contracts/keys.ts';
import type { RunnerHint } from './contracts/runner-channel.ts';
import type { Seal } from './contracts/seal.ts';
import type { Secrets } from './contracts/secrets.ts';
import type { Store } from './contracts/store.ts';
import type { Noticing } from './contracts/task-service.ts';
import type { WebhookSender } from './contracts/webhook.ts';
import { executable, findProgram } from './lib/find-program.ts';
import type { Logger } from './lib/logger.ts';
import { makeFolder } from './lib/make-folder.ts';
import { once } from './lib/once.ts';
import { SettingsError } from './lib/settings.ts';
import { engineEnvironment } from './sandbox/shared/engine-environment.ts';
import { createLocalSeal } from './seal/local.ts';
import { createSecrets } from './secrets/index.ts';
import { createCalls } from './server/calls.ts';
import type { Face } from './server/face.ts';
import { createFilesystemStore } from './store/filesystem.ts';
import { createHints } from './tasks/hints.ts';
import { startKeeper } from './tasks/keeper.ts';
import { noticingByLooks, noticingByNews } from './tasks/noticing.ts';
import { createTaskService } from './tasks/task-service.ts';
import { startTeller } from './tasks/teller.ts';
import { type CallerPolicy, tools } from './tools/index.ts';

/** The server's composition root: Config -> store, seal, backend, tasks, tools. Closed in reverse. */
export interface App {
  readonly face: Face;
  /** Starts the runner, or opens the ways to Google, ahead of need. */
  warm(): void;
  close(): Promise<void>;
}

/** What differs from backend to backend. */
export interface Engine {
  readonly store: Store;
  readonly seal: Seal;
  readonly backend: Backend;
  readonly noticing: Noticing;
  warm(): Promise<unknown>;
}

const dayMs = 24 * 3_600_000;

export async function createApp(config: Config, log: Logger): Promise<App> {
  makeHome(config.home);
  const hints = createHints();
  const hear = (hint: RunnerHint) => {
    hints.publish(hint);
    if (hint.news === 'ended') teller.heard(hint.task);
  };
  const engine =
    config.backend === 'cloud-run'
      ? await openCloud(config.cloud, log)
      : openLocal(config, log, { onHint: hear, onGone: () => keeper.sweepSoon() });
  const { store, backend } = engine;
  const context = {
    ...engine,
    secrets: secretsOf(config),
    secretDeclarations: config.secrets,
    hints,
    log,
    writer: `${hostname()}:${process.pid}`,
    retentionMs: config.retentionDays * dayMs,
  };
  const teller = startTeller({ ...context, ...callbacksOf(config) });
  const tasks = createTaskService({ ...context, teller });
  const keeper = startKeeper(context);
  const services = { tasks, issues: issueTracker(config, log), modelEndpoint: config.model, policy: policyOf(config) };
  return {
    face: { tools, services, version: packageVersion(), log, calls: createCalls() },
    // What fails here fails again, and is told, at the first task.
    warm: () =>
      void engine
        .warm()
        .catch((error: unknown) => log.warn({ error }, 'Not everything could be made ready ahead of need')),
    async close() {
      await keeper.close();
      await teller.close();
      await backend.close();
      await store.close();
    },
  };
}

function openLocal(config: Config, log: Logger, news: Pick<RunnerProcessOptions, 'onHint' | 'onGone'>): Engine {
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
  const [{ createGcsStore }, { createKmsSeal }, { createCloudRunBackend }, { createTaskTokens }] = await Promise.all([
    import('./store/gcs/index.ts'),
    import('./seal/kms.ts'),
    import('./backends/cloud-run/index.ts'),
    import('./backends/cloud-run/task-token.ts'),
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

/** Prices are loaded by the first call that has a budget. */
function policyOf({ allowedDomains, maxBudgetUsd, pricesFile }: Config): CallerPolicy {
  const load = once(async () => {
    const { knowsPrice, readPrices } = await import('./gateway/prices.ts');
    const prices = await readPrices(pricesFile);
    return (model: string) => knowsPrice(prices, model);
  });
  return { allowedDomains, maxBudgetUsd, hasPrice: async (model) => (await load())(model) };
}

/** How the ends of tasks are told; what sends is loaded by the first one. */
function callbacksOf({ callbackAllow }: Config) {
  const load = once(async () => (await import('./gateway/egress.ts')).createEgress({ privateTargets: callbackAllow }));
  const egress: Egress = {
    check: async (target, signal) => (await load()).check(target, signal),
    dial: async (target, signal) => (await load()).dial(target, signal),
  };
  const sender = once(async () => (await import('./webhook/standard-webhooks.ts')).createWebhookSender({ egress }));
  const webhooks: WebhookSender = { send: async (message, signal) => (await sender()).send(message, signal) };
  return { egress, webhooks, plainCallbacks: callbackAllow };
}

/** Values stay where they are until a task needs one. */
function secretsOf({ cloud }: Config): Secrets {
  const secretManager = cloud && { project: cloud.project, endpoint: cloud.endpoints.secretManager };
  return createSecrets({ env: process.env, secretManager });
}

function makeHome(home: string): void {
  try {
    makeFolder(home, 0o700);
  } catch (cause) {
    throw new SettingsError(`--home (RUNYARD_HOME): the folder ${home} cannot be made.`, { cause });
  }
}

/** One for the whole server, because it keeps the pace that GitHub asks for; loaded by the first issue. */
function issueTracker({ github, githubRepos: repos }: Config, log: Logger): IssueTracker {
  const load = once(async () => {
    const { createIssueTracker } = await import('./github/issue-tracker.ts');
    return createIssueTracker({ ...github, repos, log });
  });
  return { createIssue: async (issue, signal) => (await load()).createIssue(issue, signal) };
}

/** Beside this file: `.ts` in development, `.js` once built. */
function runnerProgram(): string {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return fileURLToPath(new URL(`./runner/main.${extension}`, import.meta.url));
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
    ...(config.pricesFile === undefined ? {} : { RUNYARD_PRICES: config.pricesFile }),
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

const manifest = z.object({ version: z.string() });

export function packageVersion(): string {
  return manifest.parse(JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))).version;
}
