import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { defaultPromptOf } from './app/default-prompt.ts';
import { openCloud, openLocal } from './app/engines.ts';
import {
  callbacksOf,
  gitPlaceOf,
  inputsOf,
  issueTracker,
  modelEndpointOf,
  policyOf,
  secretsOf,
} from './app/services.ts';
import type { Config } from './config.ts';
import type { RunnerHint } from './contracts/runner-channel.ts';
import type { Logger } from './lib/logger.ts';
import { makeFolder } from './lib/make-folder.ts';
import { readIfThere } from './lib/read-if-there.ts';
import { SettingsError } from './lib/settings.ts';
import { createCalls } from './server/calls.ts';
import type { Face } from './server/face.ts';
import { createHints } from './tasks/hints.ts';
import { startKeeper } from './tasks/keeper.ts';
import { createTaskService } from './tasks/task-service.ts';
import { startTeller } from './tasks/teller.ts';
import { tools } from './tools/index.ts';

/** The server's composition root: Config -> store, seal, backend, tasks, tools. Closed in reverse. */
export interface App {
  readonly face: Face;
  /** Starts the runner, or opens the ways to Google, ahead of need. */
  warm(): void;
  close(): Promise<void>;
}

const dayMs = 24 * 3_600_000;

export interface AppOptions {
  /** Leaves the tasks of others, and the telling of their ends, to the servers that are there. */
  readonly alone?: boolean;
}

export async function createApp(config: Config, log: Logger, { alone = false }: AppOptions = {}): Promise<App> {
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
  const secrets = secretsOf(config);
  const context = {
    ...engine,
    secrets,
    defaults: { prices: config.prices, systemPrompt: defaultPromptOf(config, secrets) },
    secretDeclarations: config.secrets,
    repositories: {
      privateHosts: config.gitAllow,
      tokenPlace: gitPlaceOf(config.github.apiUrl),
      knownHosts: async () => (await readIfThere(join(config.home, 'known_hosts'))) ?? '',
    },
    hints,
    log,
    writer: `${hostname()}:${process.pid}`,
    retentionMs: config.retentionDays * dayMs,
  };
  const teller = startTeller({ ...context, ...callbacksOf(config), runnersTell: config.backend === 'cloud-run' });
  const inputs = inputsOf(config, store);
  const tasks = createTaskService({ ...context, teller, inputs });
  const keeper = startKeeper(context);
  if (alone) await Promise.all([keeper.close(), teller.close()]);
  const services = {
    tasks,
    issues: issueTracker(config, log),
    modelEndpoint: modelEndpointOf(config),
    policy: policyOf(config),
    inputs,
  };
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

function makeHome(home: string): void {
  try {
    makeFolder(home, 0o700);
  } catch (cause) {
    throw new SettingsError(`--home (RUNYARD_HOME): the folder ${home} cannot be made.`, { cause });
  }
}

const manifest = z.object({ version: z.string() });

export function packageVersion(): string {
  return manifest.parse(JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))).version;
}
