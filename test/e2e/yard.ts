import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLocalBackend, type LocalBackend } from '../../src/backends/local/index.ts';
import type { Caller } from '../../src/contracts/caller.ts';
import type { DialTarget } from '../../src/contracts/egress.ts';
import type { SecretDeclaration } from '../../src/contracts/secrets.ts';
import type { Store } from '../../src/contracts/store.ts';
import type { ClaudeSpec, CodeSpec } from '../../src/contracts/task.ts';
import type { NewTask, TaskService, TaskView } from '../../src/contracts/task-service.ts';
import { createEgress } from '../../src/gateway/egress.ts';
import { createInputs } from '../../src/inputs/index.ts';
import { createLogger } from '../../src/lib/logger.ts';
import { createLocalSeal } from '../../src/seal/local.ts';
import { createEnvironmentSecrets } from '../../src/secrets/environment.ts';
import { createFilesystemStore } from '../../src/store/filesystem.ts';
import { createHints } from '../../src/tasks/hints.ts';
import { purge } from '../../src/tasks/keeper.ts';
import { noticingByNews } from '../../src/tasks/noticing.ts';
import { type Recovering, sweep } from '../../src/tasks/recover.ts';
import type { SecretSource } from '../../src/tasks/task-secrets.ts';
import { createTaskService } from '../../src/tasks/task-service.ts';
import { startTeller } from '../../src/tasks/teller.ts';
import { createWebhookSender } from '../../src/webhook/standard-webhooks.ts';

const github = { transport: 'https', host: 'github.com', port: 443 } as const;

/** A home of its own, on which servers can be started and let go, as if each were a process. */
export interface Yard {
  readonly home: string;
  readonly store: Store;
  /** A server on this home. `through` stands between it and the store. */
  server(
    through?: (store: Store) => Store,
    secrets?: SecretSource,
    receivers?: readonly DialTarget[],
    privateHosts?: readonly DialTarget[],
  ): YardServer;
  runnerLog(): string;
  remove(): Promise<void>;
}

export interface YardServer {
  readonly tasks: TaskService;
  readonly backend: LocalBackend;
  sweep(): Promise<void>;
  /** Tells of the ends that are to be told. */
  tell(): void;
  /** Forgets what is past its retention. */
  purge(): Promise<void>;
  /** As after SIGKILL: the channel to its runner breaks. */
  die(): Promise<void>;
}

export const alice: Caller = { owner: 'local:1000' };
export const bob: Caller = { owner: 'key:bob' };

const noSecrets: SecretSource = { secrets: createEnvironmentSecrets({}), secretDeclarations: [] };

const dayMs = 24 * 3_600_000;

export function createYard(): Yard {
  const home = mkdtempSync(join(tmpdir(), 'runyard-yard-'));
  // Walls of other uids must reach the workspaces.
  chmodSync(home, 0o711);
  const store = createFilesystemStore({ dir: join(home, 'store') });
  const log = createLogger({ level: 'silent', name: 'yard' });
  const servers: YardServer[] = [];
  const logFile = join(home, 'runner.log');

  return {
    home,
    store,
    server(through = (each) => each, secrets = noSecrets, receivers = [], privateHosts = []) {
      const hints = createHints();
      const backend = createLocalBackend({
        program: new URL('../../src/runner/main.ts', import.meta.url).pathname,
        env: {
          PATH: process.env.PATH ?? '',
          RUNYARD_HOME: home,
          RUNYARD_WORK: join(home, 'work'),
          // Where the server keeps it too: sources are not compiled anew for each runner.
          NODE_COMPILE_CACHE: join(tmpdir(), 'node-compile-cache'),
        },
        logFile,
        onHint(hint) {
          hints.publish(hint);
          if (hint.news === 'ended') teller.heard(hint.task);
        },
        onGone: () => {},
        log,
      });
      const parts = {
        ...secrets,
        defaults: { prices: undefined, systemPrompt: async () => undefined },
        repositories: { privateHosts, tokenPlace: github, knownHosts: async () => '' },
        store: through(store),
        seal: createLocalSeal({ keyFile: join(home, 'key') }),
        backend,
        hints,
        noticing: noticingByNews,
        log,
        writer: `yard server ${servers.length}`,
        retentionMs: 30 * dayMs,
      };
      const egress = createEgress({ privateTargets: receivers });
      const webhooks = createWebhookSender({ egress });
      const teller = startTeller({ ...parts, egress, webhooks, plainCallbacks: receivers, runnersTell: false });
      const inputs = createInputs({ store, egress, spoolDir: join(home, 'spool'), roots: [], ownFolders: [home] });
      const context: Recovering & Parameters<typeof createTaskService>[0] = { ...parts, teller, inputs };
      const server = {
        tasks: createTaskService(context),
        backend,
        sweep: () => sweep(context),
        purge: () => purge(context, new AbortController().signal),
        tell: () => teller.tellSoon(),
        async die() {
          await teller.close();
          await backend.close();
        },
      };
      servers.push(server);
      return server;
    },
    runnerLog: () => readFileSync(logFile, 'utf8'),
    async remove() {
      for (const server of servers) await server.die();
      await store.close();
      rmSync(home, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    },
  };
}

/** A small program as a task. */
export function codeTask(spec: Partial<CodeSpec> & Pick<CodeSpec, 'code'>, more: Partial<NewTask> = {}): NewTask {
  const whole: CodeSpec = { kind: 'code', language: 'python', files: [], stdin: '', args: [], env: {}, ...spec };
  return { spec: whole, runs: 1, size: 'small', timeoutSeconds: 60, ...more };
}

/** A Claude task that ends at its setup commands, with code 7, before claude is needed. */
export function setupTask(spec: Partial<ClaudeSpec>, more: Partial<NewTask> = {}): NewTask {
  const whole: ClaudeSpec = {
    kind: 'claude',
    prompt: 'x',
    permissionMode: 'bypassPermissions',
    files: [],
    env: {},
    setupCommands: ['exit 7'],
    artifacts: [],
    endpoint: { baseUrl: 'http://127.0.0.1:9', credential: { kind: 'api_key', value: 'k' } },
    ...spec,
  };
  return { spec: whole, runs: 1, size: 'small', timeoutSeconds: 60, ...more };
}

/** What a server's environment holds, under these declarations; `read` names what was read of it, once for each time. */
export function countedSecrets(
  env: Readonly<Record<string, string>>,
  secretDeclarations: readonly SecretDeclaration[],
) {
  const read: string[] = [];
  const secrets = createEnvironmentSecrets(env);
  const source: SecretSource = {
    secretDeclarations,
    secrets: {
      async read(reference, signal) {
        read.push(reference);
        return secrets.read(reference, signal);
      },
    },
  };
  return { source, read };
}

/** Whatever a submit may write. */
export async function everyKey({ store }: Yard): Promise<string[]> {
  const prefixes = ['keys/', 'sealed/', 'pending/', 'owners/', 'tasks/'];
  return (await Promise.all(prefixes.map((prefix) => store.list(prefix)))).flat();
}

export async function ended(server: YardServer, id: string, caller = alice, waitMs = 30_000): Promise<TaskView> {
  return server.tasks.wait(id, caller, { waitMs, signal: new AbortController().signal });
}

export async function logText(server: YardServer, id: string, caller = alice): Promise<string> {
  const { lines } = await server.tasks.events(id, caller, { run: 0, fromSeq: 0, maxLines: 100_000, maxBytes: 1e8 });
  return lines.map((line) => line.text ?? '').join('\n');
}
