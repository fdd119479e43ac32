import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { newTaskId } from '../../../src/contracts/ids.ts';
import { keys } from '../../../src/contracts/keys.ts';
import type { Store } from '../../../src/contracts/store.ts';
import type { RunResult, TaskRecord } from '../../../src/contracts/task.ts';
import { endOfRunMs, serversWaitMs, webhookMessage } from '../../../src/contracts/telling.ts';
import { createEgress } from '../../../src/gateway/egress.ts';
import { silentLogger } from '../../../src/lib/logger.ts';
import { createLocalSeal } from '../../../src/seal/local.ts';
import { createEnvironmentSecrets } from '../../../src/secrets/environment.ts';
import { createFilesystemStore } from '../../../src/store/filesystem.ts';
import { startTeller } from '../../../src/tasks/teller.ts';
import { createWebhookSender } from '../../../src/webhook/standard-webhooks.ts';
import { startReceiver } from '../../fakes/webhook-receiver.ts';

const home = mkdtempSync(join(tmpdir(), 'runyard-teller-'));
const store = createFilesystemStore({ dir: join(home, 'store') });
const seal = createLocalSeal({ keyFile: join(home, 'key') });
afterAll(async () => {
  await store.close();
  rmSync(home, { recursive: true });
});

interface ServerOptions {
  readonly env?: Record<string, string>;
  /** In place of that of all servers. */
  readonly store?: Store;
}

async function startServer({ env = { HOOK: 'a secret' }, store: own = store }: ServerOptions = {}) {
  const receiver = await startReceiver();
  const { host, port } = receiver.target;
  const egress = createEgress({ privateTargets: [receiver.target] });
  const teller = startTeller({
    ...{ store: own, seal, egress, runnersTell: true, log: silentLogger, plainCallbacks: [receiver.target] },
    secrets: createEnvironmentSecrets(env),
    secretDeclarations: [{ reference: 'env:HOOK', uses: [{ use: 'webhook', host, port }] }],
    webhooks: createWebhookSender({ egress }),
  });
  onTestFinished(async () => {
    await teller.close();
    await receiver.close();
  });
  return { teller, receiver };
}

/** A task that ended then, with the end still to be told. */
async function endedTask(
  { teller, receiver }: Awaited<ReturnType<typeof startServer>>,
  { endedAgoMs = 0, byRunner = true, ...more }: Partial<RunResult> & { endedAgoMs?: number; byRunner?: boolean } = {},
) {
  const id = newTaskId();
  const sizes = { backend: 'cloud-run', runs: 1, size: 'small', timeoutSeconds: 60 } as const;
  const record: TaskRecord = { id, kind: 'code', owner: 'key:alice', createdAt: new Date().toISOString(), ...sizes };
  const result: RunResult = {
    ...{ run: 0, status: 'succeeded', exitCode: 0, stdout: '42\n', stderr: '', truncated: false, artifacts: [] },
    startedAt: new Date(Date.now() - endedAgoMs - 5).toISOString(),
    durationMs: 5,
    sandbox: { technology: 'bubblewrap', network: 'none' },
    ...more,
  };
  await teller.expect(record, { url: receiver.url, byRunner });
  await store.create(keys.record(id), JSON.stringify(record));
  await store.create(keys.result(id, 0), JSON.stringify(result));
  teller.tellSoon();
  return { record, result, told: () => receiver.received.filter(({ body }) => body.includes(id)) };
}

const isListed = async ({ owner, id }: TaskRecord) =>
  (await store.list(keys.allTelling)).includes(keys.telling(owner, id));

test('T7: a server waits 40 s for the runner, then says the very bytes that the runner would have said', async () => {
  const server = await startServer();
  const { record, result, told } = await endedTask(server, { endedAgoMs: serversWaitMs - 2500 });
  await expect.poll(told).toHaveLength(1);
  const [{ atMs, body, headers }] = told() as [ReturnType<typeof told>[0]];
  // Timers may be a little early.
  expect(atMs - endOfRunMs(result)).toBeGreaterThanOrEqual(serversWaitMs - 10);
  const view = { record, result, status: result.status, runsEnded: 1 };
  expect({ body, id: headers['webhook-id'] }).toEqual(webhookMessage(view, endOfRunMs(result)));
  await expect.poll(() => isListed(record)).toBe(false);
});

test('what the runner has told, no server tells; what is left of it is taken away', async () => {
  const server = await startServer();
  const { record, told } = await endedTask(server, { endedAgoMs: serversWaitMs - 5000 });
  await store.create(keys.webhook(record.id), JSON.stringify({ outcome: 'told', status: 200, at: 'then' }));
  await expect.poll(() => isListed(record)).toBe(false);
  expect(told()).toEqual([]);
});

test('T7: what another server has told while the runner had its turn is waited for no longer', async () => {
  const seen = { turn: false, listings: 0 };
  const shared: Store = {
    ...store,
    read(key, range) {
      seen.turn ||= key.endsWith('/webhook');
      return store.read(key, range);
    },
    // The other server has taken it away as soon as this one has begun to wait.
    async list(prefix, options) {
      if (seen.turn) seen.listings++;
      return seen.turn ? [] : store.list(prefix, options);
    },
  };
  const server = await startServer({ store: shared });
  const { record, told } = await endedTask(server, { endedAgoMs: serversWaitMs - 500 });
  await expect.poll(() => seen.listings).toBeGreaterThan(0);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  // The next look is that of every 30 s.
  expect(seen.listings).toBeLessThanOrEqual(2);
  expect(told()).toEqual([]);
  await store.remove(keys.telling(record.owner, record.id));
});

describe('a server waits for no runner', () => {
  test.for([
    ['that was cancelled', { status: 'cancelled' }],
    ['where a server settled the run', { sandbox: { technology: 'none', network: 'none' } }],
    ['that was not given the means', { byRunner: false }],
  ] as const)('%s', async ([, end]) => {
    const { told } = await endedTask(await startServer(), end);
    await expect.poll(told, { timeout: 10_000 }).toHaveLength(1);
  });
});

describe('what a runner needs is sealed into the task', () => {
  test('T7: the owner’s secret as it is now, and which private receivers may be told', async () => {
    const { teller, receiver } = await startServer();
    expect(await teller.forRunner({ runs: 1, callbackUrl: receiver.url }, 'key:alice')).toEqual({
      url: receiver.url,
      secret: 'a secret',
      privateTargets: [receiver.target],
    });
  });

  test('but not of several runs, of which none knows the last; nor where the secret cannot be read', async () => {
    const { teller, receiver } = await startServer();
    expect(await teller.forRunner({ runs: 2, callbackUrl: receiver.url }, 'key:alice')).toBeUndefined();
    const without = await startServer({ env: {} });
    expect(await without.teller.forRunner({ runs: 1, callbackUrl: without.receiver.url }, 'key:alice')).toBeUndefined();
  });
});
