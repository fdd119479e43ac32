import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { afterAll, expect, test, vi } from 'vitest';
import { newTaskId } from '../../../src/contracts/ids.ts';
import { keys } from '../../../src/contracts/keys.ts';
import type { Sandbox } from '../../../src/contracts/sandbox.ts';
import type { Store } from '../../../src/contracts/store.ts';
import { type CodeSpec, runResult, type TaskRecord } from '../../../src/contracts/task.ts';
import { silentLogger } from '../../../src/lib/logger.ts';
import { untilAborted } from '../../../src/lib/until-aborted.ts';
import { inputsLayer } from '../../../src/runner/inputs.ts';
import { executeRun, type RunDependencies } from '../../../src/runner/run.ts';
import { createWork } from '../../../src/runner/work.ts';
import { createLocalSeal } from '../../../src/seal/local.ts';
import { createFilesystemStore } from '../../../src/store/filesystem.ts';

/** A store that fails for a while is nobody's reason to lose what a runner has in its hands. */

const dir = mkdtempSync(join(tmpdir(), 'runyard-store-trouble-'));
const plain = createFilesystemStore({ dir: join(dir, 'store') });
const seal = createLocalSeal({ keyFile: join(dir, 'key') });
afterAll(async () => {
  await plain.close();
  rmSync(dir, { recursive: true });
});

const spec: CodeSpec = {
  ...{ kind: 'code', language: 'bash', code: 'true', files: [], stdin: '', args: [], env: {} },
};

/** Walls take for ever to build here. */
const slowSandbox: Sandbox = {
  technology: 'none',
  warm: () => undefined,
  enter: ({ signal }) => untilAborted(new Promise(() => undefined), signal),
  close: async () => undefined,
};

function dependenciesOn(store: Store): RunDependencies {
  const openGateway = () => Promise.reject(new Error('no run here has a door'));
  return { store, seal, sandbox: slowSandbox, openGateway, handle: {}, tell: () => undefined, log: silentLogger };
}

async function newTask(): Promise<TaskRecord> {
  const task: TaskRecord = {
    ...{ id: newTaskId(), kind: 'code', owner: 'local:0', backend: 'local', runs: 1, size: 'small' },
    ...{ timeoutSeconds: 60, createdAt: new Date().toISOString() },
  };
  await plain.create(keys.record(task.id), JSON.stringify(task));
  await plain.create(keys.sealed(task.id), await seal.seal(Buffer.from(JSON.stringify(spec)), task.id));
  return task;
}

async function resultOf({ id }: TaskRecord) {
  return runResult.parse(JSON.parse(String(await plain.read(keys.result(id, 0)))));
}

test('a result is told as stored, also where the claim before it could not be brought to the disk', async () => {
  const task = await newTask();
  const persist: Store['persist'] = (key) =>
    key === keys.claim(task.id, 0) ? Promise.reject(new Error('EIO')) : plain.persist(key);
  const stop = new AbortController();
  stop.abort('stopped');
  const stored: string[] = [];
  const end = await executeRun(dependenciesOn({ ...plain, persist }), task, 0, stop, {
    onReported: (text) => stored.push(text),
  });
  expect(end).toBe('reported');
  expect(stored).toHaveLength(1);
  expect((await resultOf(task)).error?.code).toBe('runner_lost');
});

test('a runner that is ended stops its runs, also where it cannot look for a cancel', async () => {
  const task = await newTask();
  const state = { isBroken: false };
  const read: Store['read'] = (key, range) =>
    state.isBroken && key === keys.cancel(task.id) ? Promise.reject(new Error('EIO')) : plain.read(key, range);
  const work = createWork({ ...dependenciesOn({ ...plain, read }), slots: 1, onIdle: () => undefined });
  await work.look(task.id);
  await vi.waitFor(async () => expect(await plain.read(keys.claim(task.id, 0))).toBeDefined());
  state.isBroken = true;
  await work.stopAll();
  expect((await resultOf(task)).status).toBe('failed');
});

test('who cancels does not wait until a large input is laid', async () => {
  const task = await newTask();
  const tar = Buffer.alloc(1024);
  const sha256 = createHash('sha256').update(tar).digest('hex');
  await plain.create(keys.input(task.owner, sha256), zstdCompressSync(tar));
  const stop = new AbortController();
  const placed: string[] = [];
  const layer = inputsLayer([{ name: 'data', from: `sha256:${sha256}` }], { task, store: plain, stop: stop.signal });
  const lay = () => layer.lay(async (files) => void placed.push(...files.map(({ path }) => path)));
  await lay();
  expect(placed).toHaveLength(1);
  stop.abort('cancelled');
  await expect(lay()).rejects.toBeDefined();
  expect(placed).toHaveLength(1);
});
