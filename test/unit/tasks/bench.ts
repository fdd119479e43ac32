import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { v7 } from 'uuid';
import type { Backend, Inspection } from '../../../src/contracts/backend.ts';
import { keys } from '../../../src/contracts/keys.ts';
import type { Store } from '../../../src/contracts/store.ts';
import type { RunResult, TaskRecord } from '../../../src/contracts/task.ts';
import type { Noticing, TaskService } from '../../../src/contracts/task-service.ts';
import { createEgress } from '../../../src/gateway/egress.ts';
import { createInputs } from '../../../src/inputs/index.ts';
import { type LogFields, silentLogger } from '../../../src/lib/logger.ts';
import { createLocalSeal } from '../../../src/seal/local.ts';
import { createEnvironmentSecrets } from '../../../src/secrets/environment.ts';
import { createFilesystemStore } from '../../../src/store/filesystem.ts';
import { createHints, type Hints } from '../../../src/tasks/hints.ts';
import { type Keeper, purge, startKeeper } from '../../../src/tasks/keeper.ts';
import { noticingByLooks } from '../../../src/tasks/noticing.ts';
import { type Recovering, sweep } from '../../../src/tasks/recover.ts';
import { createTaskService } from '../../../src/tasks/task-service.ts';
import { startTeller } from '../../../src/tasks/teller.ts';
import { createWebhookSender } from '../../../src/webhook/standard-webhooks.ts';

/** A task service on a store that says what it was asked; the backend, which is the far side, says what a test has it say. */
export interface Bench {
  readonly store: Store;
  readonly tasks: TaskService;
  readonly hints: Hints;
  readonly far: FarBackend;
  /** What the service asked of its store, in order. */
  readonly asked: Asked[];
  readonly warnings: Warning[];
  sweep(): Promise<void>;
  purge(): Promise<void>;
  keeper(): Keeper;
  remove(): Promise<void>;
}

export interface Asked {
  readonly what: 'read' | 'list' | 'create' | 'remove' | 'persist';
  readonly key: string;
  readonly atMs: number;
}

export interface Warning {
  readonly fields: LogFields;
  readonly message: string;
}

export interface FarBackend extends Backend {
  /** What becomes of a runner, by its handle and run. Alive where not said otherwise. */
  says: (handle: Parameters<Backend['inspect']>[0], run: number | undefined) => Inspection;
  readonly launches: string[];
  readonly inspections: (number | undefined)[];
  readonly cancels: object[];
}

export interface BenchOptions {
  readonly noticing?: Noticing;
  /** Of each answer of the store. */
  readonly answerMs?: number;
}

export const owner = 'local:1000';

const github = { transport: 'https', host: 'github.com', port: 443 } as const;

export function createBench({ noticing = noticingByLooks, answerMs = 0 }: BenchOptions = {}): Bench {
  const dir = mkdtempSync(join(tmpdir(), 'runyard-bench-'));
  const store = createFilesystemStore({ dir: join(dir, 'store') });
  const asked: Asked[] = [];
  const warnings: Warning[] = [];
  const hints = createHints();
  const far = farBackend();
  const parts = {
    secrets: createEnvironmentSecrets({}),
    secretDeclarations: [],
    defaults: { prices: undefined, systemPrompt: async () => undefined },
    repositories: { privateHosts: [], tokenPlace: github, knownHosts: async () => '' },
    store: askedStore(store, asked, answerMs),
    seal: createLocalSeal({ keyFile: join(dir, 'key') }),
    backend: far,
    hints,
    noticing,
    log: { ...silentLogger, warn: (fields: LogFields, message: string) => void warnings.push({ fields, message }) },
    writer: 'the bench',
    retentionMs: 86_400_000,
  };
  const egress = createEgress({ privateTargets: [] });
  const inputs = createInputs({ store, egress, spoolDir: join(dir, 'spool'), roots: [], ownFolders: [dir] });
  const teller = startTeller({
    ...parts,
    egress,
    webhooks: createWebhookSender({ egress }),
    plainCallbacks: [],
    runnersTell: false,
  });
  const context: Recovering & Parameters<typeof createTaskService>[0] = { ...parts, teller, inputs };
  return {
    store,
    tasks: createTaskService(context),
    hints,
    far,
    asked,
    warnings,
    sweep: () => sweep(context),
    purge: () => purge(context, new AbortController().signal),
    keeper: () => startKeeper(context),
    async remove() {
      await store.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function farBackend(): FarBackend {
  const far: FarBackend = {
    id: 'far',
    launches: [],
    inspections: [],
    cancels: [],
    says: () => ({ state: 'alive' }),
    async launch({ id }) {
      far.launches.push(id);
      return { launch: far.launches.length };
    },
    async inspect(handle, run) {
      far.inspections.push(run);
      return far.says(handle, run);
    },
    async cancel(handle) {
      far.cancels.push(handle);
    },
    async close() {},
  };
  return far;
}

function askedStore(store: Store, asked: Asked[], answerMs: number): Store {
  const note = async <T>(what: Asked['what'], key: string, work: () => Promise<T>) => {
    asked.push({ what, key, atMs: performance.now() });
    if (answerMs > 0) await new Promise((resolve) => setTimeout(resolve, answerMs));
    return work();
  };
  return {
    create: (key, data) => note('create', key, () => store.create(key, data)),
    persist: (key) => note('persist', key, () => store.persist(key)),
    read: (key, range) => note('read', key, () => store.read(key, range)),
    list: (prefix, options) => note('list', prefix, () => store.list(prefix, options)),
    remove: (key) => note('remove', key, () => store.remove(key)),
    removeAll: (prefix) => note('remove', prefix, () => store.removeAll(prefix)),
    touch: (key) => store.touch(key),
    expire: (prefix, olderThanMs) => store.expire(prefix, olderThanMs),
    close: () => store.close(),
  };
}

/** A task as a submit leaves it, made `ageMs` ago and launched once. */
export async function launchedTask(
  store: Store,
  { ageMs = 0, ...more }: Partial<TaskRecord> & { readonly ageMs?: number } = {},
): Promise<TaskRecord> {
  const msecs = Date.now() - ageMs;
  const id = `task_${v7({ msecs })}`;
  const createdAt = new Date(msecs).toISOString();
  const limits = { runs: 1, size: 'small' as const, timeoutSeconds: 60 };
  const record: TaskRecord = { id, kind: 'code', owner, backend: 'far', createdAt, ...limits, ...more };
  await store.create(keys.pending(owner, id), '');
  await store.create(keys.taskOf(owner, id), '');
  await store.create(keys.record(id), JSON.stringify(record));
  await store.create(keys.launch(id, 0), JSON.stringify({ at: createdAt, by: 'a server' }));
  await store.create(keys.launchHandle(id, 0), JSON.stringify({ launch: 0 }));
  return record;
}

export async function claimed(store: Store, { id, createdAt }: TaskRecord, run: number): Promise<void> {
  const claim = { writer: 'a runner', at: createdAt, handle: { launch: 0, index: run } };
  await store.create(keys.claim(id, run), JSON.stringify(claim));
}

export function resultOf(run: number, more: Partial<RunResult> = {}): RunResult {
  return {
    run,
    status: 'succeeded',
    exitCode: 0,
    stdout: `run ${run}\n`,
    stderr: '',
    truncated: false,
    artifacts: [],
    startedAt: new Date().toISOString(),
    durationMs: 10,
    sandbox: { technology: 'bubblewrap', network: 'none' },
    ...more,
  };
}

export async function ended(store: Store, { id }: TaskRecord, result: RunResult): Promise<void> {
  await store.create(keys.result(id, result.run), JSON.stringify(result));
}
