import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { v7 } from 'uuid';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { keys } from '../../src/contracts/keys.ts';
import type { Claim, Handle, TaskRecord } from '../../src/contracts/task.ts';
import { processIdentity } from '../../src/lib/process-identity.ts';
import { createLocalSeal } from '../../src/seal/local.ts';
import { alice, codeTask, createYard, ended, logText, type Yard, type YardServer } from './yard.ts';

/** What a killed server or runner leaves behind, written by hand where it takes minutes to come about. */

let yard: Yard;
let server: YardServer;

beforeAll(() => {
  yard = createYard();
  server = yard.server();
});
afterAll(() => yard.remove());

const minutesAgo = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString();

/** A task as a submit leaves it, made `minutes` ago, with nothing launched. */
async function acknowledged(minutes: number, timeoutSeconds = 60): Promise<TaskRecord> {
  const msecs = Date.now() - minutes * 60_000;
  const id = `task_${v7({ msecs })}`;
  const record: TaskRecord = {
    id,
    kind: 'code',
    owner: alice.owner,
    backend: 'local',
    runs: 1,
    size: 'small',
    timeoutSeconds,
    createdAt: new Date(msecs).toISOString(),
  };
  const spec = codeTask({ code: 'print("recovered")' }).spec;
  const seal = createLocalSeal({ keyFile: `${yard.home}/key` });
  await yard.store.create(keys.sealed(id), await seal.seal(Buffer.from(JSON.stringify(spec)), id));
  await yard.store.create(keys.pending(alice.owner, id), '');
  await yard.store.create(keys.taskOf(alice.owner, id), '');
  await yard.store.create(keys.record(id), JSON.stringify(record));
  return record;
}

async function launched(record: TaskRecord, k: number, minutes: number, handle?: Handle): Promise<void> {
  await yard.store.create(keys.launch(record.id, k), JSON.stringify({ at: minutesAgo(minutes), by: 'a dead server' }));
  if (handle !== undefined) await yard.store.create(keys.launchHandle(record.id, k), JSON.stringify(handle));
}

async function claimed(record: TaskRecord, minutes: number, handle?: Handle): Promise<void> {
  const claim: Claim = {
    writer: 'a dead runner',
    at: minutesAgo(minutes),
    ...(handle === undefined ? {} : { handle }),
  };
  await yard.store.create(keys.claim(record.id, 0), JSON.stringify(claim));
}

/** The handle of a process that was there and is gone. */
async function deadHandle(): Promise<Handle> {
  const child = spawn('sleep', ['60']);
  const handle = { ...processIdentity(child.pid!)! };
  child.kill('SIGKILL');
  await once(child, 'exit');
  return handle;
}

const ownHandle = (): Handle => ({ ...processIdentity(process.pid)! });

test('a launch without a handle is left alone for a minute, then launched anew', async () => {
  const [young, old] = [await acknowledged(0.5), await acknowledged(2)];
  await launched(young, 0, 0.5);
  await launched(old, 0, 2);
  await server.sweep();
  expect((await ended(server, old.id)).result?.stdout).toBe('recovered\n');
  expect((await server.tasks.look(young.id, alice)).status).toBe('queued');
});

test('prior A13a: a launch whose runner died before it claimed is launched anew', async () => {
  const record = await acknowledged(1);
  await launched(record, 0, 1, await deadHandle());
  const view = await ended(server, record.id);
  expect(view.status).toBe('succeeded');
  expect(await yard.store.read(keys.launchHandle(record.id, 1))).toBeDefined();
});

test('after three launches that nobody claimed the task ends as backend_error with the reason', async () => {
  const record = await acknowledged(1);
  for (const k of [0, 1, 2]) await launched(record, k, 1, await deadHandle());
  const view = await server.tasks.look(record.id, alice);
  expect(view.status).toBe('failed');
  expect(view.result?.error).toMatchObject({
    code: 'backend_error',
    message: expect.stringContaining('its process is gone'),
  });
});

test('prior E4b: a claim whose runner died is settled as runner_lost; one whose runner lives is not', async () => {
  const [dead, alive] = [await acknowledged(1), await acknowledged(1)];
  await claimed(dead, 1, await deadHandle());
  await claimed(alive, 1, ownHandle());
  expect((await server.tasks.look(dead.id, alice)).result?.error?.code).toBe('runner_lost');
  expect((await server.tasks.look(alive.id, alice)).status).toBe('running');
});

test('a runner of another boot can never be asked: runner_lost', async () => {
  const record = await acknowledged(1);
  await claimed(record, 1, { ...ownHandle(), boot: '00000000-0000-0000-0000-000000000000' });
  expect((await server.tasks.look(record.id, alice)).result?.error).toMatchObject({
    code: 'runner_lost',
    message: expect.stringContaining('started anew'),
  });
});

test('a runner in another pid namespace cannot be seen: nothing is settled', async () => {
  const record = await acknowledged(1);
  await claimed(record, 1, { ...ownHandle(), pidNamespace: 'pid:[1]' });
  expect(await server.tasks.look(record.id, alice)).toMatchObject({
    status: 'running',
    trouble: expect.stringContaining('lives in another pid namespace'),
  });
  expect(await yard.store.read(keys.result(record.id, 0))).toBeUndefined();
});

test('a claim older than its limit and 15 minutes is lost, even where the pid is taken by a living process', async () => {
  const record = await acknowledged(20);
  await claimed(record, 17, ownHandle());
  expect((await server.tasks.look(record.id, alice)).result?.error?.code).toBe('runner_lost');
});

test('a server that died between claiming a run to settle it and settling it: the next one settles it', async () => {
  const [young, old] = [await acknowledged(1), await acknowledged(2)];
  await claimed(young, 0.1);
  await claimed(old, 1);
  expect((await server.tasks.look(young.id, alice)).status).toBe('running');
  expect((await server.tasks.look(old.id, alice)).status).toBe('failed');
});

test('a cancel that was written and not carried out is carried out by the next look', async () => {
  const record = await acknowledged(1);
  await yard.store.create(keys.cancel(record.id), JSON.stringify({ by: 'a dead server', at: minutesAgo(1) }));
  const view = await server.tasks.look(record.id, alice);
  expect(view.status).toBe('cancelled');
});

test('a task past its retention is not_found and never launched', async () => {
  const record = await acknowledged(31 * 24 * 60);
  await expect(server.tasks.look(record.id, alice)).rejects.toMatchObject({ code: 'not_found' });
  await server.sweep();
  expect(await yard.store.list(keys.task(record.id))).toEqual([]);
  expect(await yard.store.read(keys.sealed(record.id))).toBeUndefined();
});

test('all results are in and the server died before it said so: the next look says it and clears away', async () => {
  const first = await server.tasks.submit(codeTask({ code: 'print(1)' }), alice);
  await ended(server, first);
  await yard.store.remove(keys.end(first));
  await yard.store.create(keys.pending(alice.owner, first), '');
  await yard.store.create(keys.sealed(first), 'left over');
  await server.sweep();
  expect(await yard.store.read(keys.end(first))).toBeDefined();
  expect(await yard.store.read(keys.sealed(first))).toBeUndefined();
  expect(await yard.store.list(keys.pendingOf(alice.owner))).not.toContain(keys.pending(alice.owner, first));
});

test('a sealed part that was changed ends the run with a sentence', async () => {
  const record = await acknowledged(0.1);
  const bytes = (await yard.store.read(keys.sealed(record.id)))!;
  await yard.store.remove(keys.sealed(record.id));
  await yard.store.create(
    keys.sealed(record.id),
    Buffer.concat([bytes.subarray(0, -1), Buffer.from([bytes.at(-1)! ^ 1])]),
  );
  await server.sweep();
  const view = await ended(server, record.id);
  expect(view.result?.error).toMatchObject({
    code: 'backend_error',
    message: expect.stringContaining('cannot be opened'),
  });
});

test('the server dies while its task runs: the run goes on, and another server tells the whole of it', async () => {
  const dying = yard.server();
  const code = 'import time\nfor n in range(20):\n    print("line", n)\n    time.sleep(0.1)';
  const id = await dying.tasks.submit(codeTask({ code }), alice);
  await new Promise((resolve) => setTimeout(resolve, 500));
  await dying.die();
  const view = await ended(server, id);
  expect(view.status).toBe('succeeded');
  expect(await logText(server, id)).toBe(Array.from({ length: 20 }, (_, n) => `line ${n}`).join('\n'));
});

test('prior A3b: the runner dies by SIGKILL while its task runs: runner_lost, what was printed is kept, its program is dead', async () => {
  const other = yard.server();
  const code = 'import time\nprint("begun")\nwhile True: time.sleep(0.1)';
  const id = await other.tasks.submit(codeTask({ code }), alice);
  await other.tasks.waitForEvents(id, alice, {
    run: 0,
    fromSeq: 0,
    until: 'end of task',
    waitMs: 40_000,
    signal: new AbortController().signal,
  });
  const { handle } = JSON.parse((await yard.store.read(keys.claim(id, 0)))!.toString()) as Claim;
  process.kill(Number(handle!.pid), 'SIGKILL');
  const view = await ended(other, id);
  expect(view.result?.error?.code).toBe('runner_lost');
  expect(await logText(other, id)).toBe('begun');
  const again = await other.tasks.submit(codeTask({ code: 'print("a new runner")' }), alice);
  expect((await ended(other, again)).result?.stdout).toBe('a new runner\n');
});
