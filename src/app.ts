import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { createLocalBackend, type LocalBackend } from './backends/local/index.ts';
import type { Config } from './config.ts';
import type { IssueTracker } from './contracts/github.ts';
import { executable, findProgram } from './lib/find-program.ts';
import type { Logger } from './lib/logger.ts';
import { makeFolder } from './lib/make-folder.ts';
import { once } from './lib/once.ts';
import { SettingsError } from './lib/settings.ts';
import { createLocalSeal } from './seal/local.ts';
import { createCalls } from './server/calls.ts';
import type { Face } from './server/face.ts';
import { createFilesystemStore } from './store/filesystem.ts';
import { createHints } from './tasks/hints.ts';
import { startKeeper } from './tasks/keeper.ts';
import { createTaskService } from './tasks/task-service.ts';
import { tools } from './tools/index.ts';

/** The server's composition root: Config -> store, seal, backend, tasks, tools. Closed in reverse. */
export interface App {
  readonly face: Face;
  /** Starts the runner ahead of need. */
  warm(): void;
  close(): Promise<void>;
}

const dayMs = 24 * 3_600_000;

export function createApp(config: Config, log: Logger): App {
  makeHome(config.home);
  const store = createFilesystemStore({ dir: join(config.home, 'store') });
  const seal = createLocalSeal({ keyFile: join(config.home, 'key') });
  const hints = createHints();
  const backend = createLocalBackend({
    program: runnerProgram(),
    env: runnerEnvironment(config),
    logFile: join(config.home, 'runner.log'),
    onHint: (hint) => hints.publish(hint),
    onGone: () => keeper.sweepSoon(),
    log,
  });
  const context = {
    store,
    seal,
    backend,
    hints,
    log,
    writer: `${hostname()}:${process.pid}`,
    retentionMs: config.retentionDays * dayMs,
  };
  const tasks = createTaskService(context);
  const keeper = startKeeper(context);
  const services = { tasks, issues: issueTracker(config, log), modelEndpoint: config.model };
  return {
    face: { tools, services, version: packageVersion(), log, calls: createCalls() },
    warm: () => warm(backend, log),
    async close() {
      await keeper.close();
      await backend.close();
      await store.close();
    },
  };
}

function makeHome(home: string): void {
  try {
    makeFolder(home, 0o700);
  } catch (cause) {
    throw new SettingsError(`--home (RUNYARD_HOME): the folder ${home} cannot be made.`, { cause });
  }
}

/** What fails here fails again, and is told, at the first task. */
function warm(backend: LocalBackend, log: Logger): void {
  try {
    backend.warm();
  } catch (error) {
    log.warn({ error }, 'The runner could not be started ahead of need');
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
    PATH: process.env.PATH ?? '',
    RUNYARD_HOME: config.home,
    RUNYARD_WORK: config.work,
    RUNYARD_SANDBOX: config.sandbox,
    ...(claudePath === undefined ? {} : { RUNYARD_CLAUDE_PATH: claudePath }),
    ...(config.pricesFile === undefined ? {} : { RUNYARD_PRICES: config.pricesFile }),
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
