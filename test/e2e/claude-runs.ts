import { chmodSync, existsSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, onTestFinished } from 'vitest';
import type { Event } from '../../src/contracts/event.ts';
import { event } from '../../src/contracts/event.ts';
import { newTaskId } from '../../src/contracts/ids.ts';
import { keys } from '../../src/contracts/keys.ts';
import type { KillReason, Sandbox } from '../../src/contracts/sandbox.ts';
import type { Store } from '../../src/contracts/store.ts';
import { type ClaudeSpec, type RunResult, runResult, type TaskRecord } from '../../src/contracts/task.ts';
import { openGateway } from '../../src/gateway/door.ts';
import { createEgress, type EgressOptions } from '../../src/gateway/egress.ts';
import { closeInheritedDescriptors } from '../../src/lib/descriptors.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import type { Patience } from '../../src/runner/patience.ts';
import { executeRun } from '../../src/runner/run.ts';
import { type BubblewrapOptions, createBubblewrap } from '../../src/sandbox/bubblewrap/index.ts';
import { createLocalSeal } from '../../src/seal/local.ts';
import { createFilesystemStore } from '../../src/store/filesystem.ts';
import { type ModelServer, type Script, startModelServer } from '../fakes/model-server.ts';

/** What the operator's credential looks like in these tests: it must never be found inside a wall. */
export const realKey = 'sk-ant-api03-the-real-key-of-the-operator';

const claudeLink = fileURLToPath(new URL('../../node_modules/.bin/claude', import.meta.url));
/** Why these tests cannot run here, in a word for the title; undefined where they can. */
export const lacking = existsSync(claudeLink) ? undefined : 'the claude package';

export interface ClaudeRun {
  readonly result: RunResult;
  readonly events: readonly Event[];
  readonly upstream: ModelServer;
  readonly durationMs: number;
  /** The text of an artifact. */
  artifact(path: string): Promise<string | undefined>;
}

export interface RunOptions extends Partial<Omit<ClaudeSpec, 'endpoint'>> {
  readonly timeoutSeconds?: number;
  /** Fires the moment an event for which it is true was stored. */
  readonly stopAt?: (event: Event) => boolean;
  /** Fires when this resolves. */
  readonly stopWhen?: Promise<unknown>;
  readonly stopReason?: KillReason;
  readonly patience?: Patience;
  /** The credential that the runner holds, where it is not the right one. */
  readonly key?: string;
  readonly credentialKind?: ClaudeSpec['endpoint']['credential']['kind'];
  /** How hosts of `allowedDomains` are reached, where they are of this test alone. */
  readonly egress?: EgressOptions;
  /** Where the runner looks for the model, where it is not the scripted one. */
  readonly baseUrl?: string;
}

/**
 * The runner's own way of a run, with real parts and the real claude; only the model is scripted. In the wall of
 * bubblewrap where no other is built.
 */
export function useClaude(
  build: (options: Required<BubblewrapOptions>) => Sandbox = createBubblewrap,
): (script: Script, options?: RunOptions) => Promise<ClaudeRun> {
  const state: { home: string; store?: Store; sandbox?: Sandbox } = { home: '' };

  beforeAll(() => {
    closeInheritedDescriptors();
    state.home = mkdtempSync(join(process.getuid?.() === 0 ? '/var/lib' : tmpdir(), 'runyard-claude-'));
    chmodSync(state.home, 0o711);
    state.store = createFilesystemStore({ dir: join(state.home, 'store') });
    state.sandbox = build({
      workDir: join(state.home, 'work'),
      nodePath: process.execPath,
      claudePath: realpathSync(claudeLink),
      slots: 1,
    });
  });
  afterAll(async () => {
    await state.sandbox?.close();
    await state.store?.close();
    rmSync(state.home, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  });

  return async (script, options = {}) => {
    const { store, sandbox, home } = state;
    if (store === undefined || sandbox === undefined) throw new Error('only inside of a test');
    const {
      timeoutSeconds = 45,
      stopAt,
      stopWhen,
      stopReason = 'cancelled',
      key = realKey,
      baseUrl,
      patience,
      credentialKind = 'api_key',
      egress,
      ...fields
    } = options;
    const upstream = await startModelServer(script, { key: realKey });
    onTestFinished(() => upstream.close());
    const seal = createLocalSeal({ keyFile: join(home, 'key') });
    const spec: ClaudeSpec = {
      ...bare,
      ...fields,
      endpoint: { baseUrl: baseUrl ?? upstream.url, credential: { kind: credentialKind, value: key } },
    };
    const task: TaskRecord = { ...record, id: newTaskId(), createdAt: new Date().toISOString(), timeoutSeconds };
    await store.create(keys.sealed(task.id), await seal.seal(Buffer.from(JSON.stringify(spec)), task.id));
    const stop = new AbortController();
    void stopWhen?.then(() => stop.abort(stopReason));
    const startedAt = performance.now();
    await executeRun(
      {
        store,
        seal,
        sandbox,
        openGateway: async (gateway) =>
          openGateway({
            ...gateway,
            egress: createEgress(egress ?? { privateTargets: gateway.privateTargets ?? [] }),
          }),
        handle: {},
        tell: ({ news }) => {
          if (news !== 'events' || stopAt === undefined) return;
          void eventsOf(store, task).then((events) => events.some(stopAt) && stop.abort(stopReason));
        },
        log: silentLogger,
      },
      task,
      0,
      stop,
      patience === undefined ? {} : { patience },
    );
    const durationMs = performance.now() - startedAt;
    const result = runResult.parse(JSON.parse(String(await store.read(keys.result(task.id, 0)))));
    const artifact = async (path: string) => (await store.read(keys.artifact(task.id, 0, path)))?.toString();
    return { result, events: await eventsOf(store, task), upstream, durationMs, artifact };
  };
}

/** The tools' answers that claude sent back to the model: what it saw inside. */
export function seenInside({ upstream }: ClaudeRun): string {
  return upstream.requests.at(-1)?.body ?? '';
}

// --- Internal helpers ---

const bare: Omit<ClaudeSpec, 'endpoint'> = {
  kind: 'claude',
  prompt: 'Say hello.',
  permissionMode: 'bypassPermissions',
  files: [],
  env: {},
  setupCommands: [],
  artifacts: [],
};

const record = { kind: 'claude', owner: 'local:0', backend: 'local', runs: 1, size: 'small' } as const;

async function eventsOf(store: Store, task: TaskRecord): Promise<Event[]> {
  const chunks = await Promise.all((await store.list(keys.events(task.id, 0))).map((key) => store.read(key)));
  const lines = chunks.flatMap((chunk) => String(chunk).trimEnd().split('\n'));
  return lines.map((line) => event.parse(JSON.parse(line)));
}
