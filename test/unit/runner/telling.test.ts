import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Webhook } from 'standardwebhooks';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { newTaskId, type TaskId } from '../../../src/contracts/ids.ts';
import { keys } from '../../../src/contracts/keys.ts';
import type { RunResult, TaskRecord } from '../../../src/contracts/task.ts';
import { createEgress } from '../../../src/gateway/egress.ts';
import { silentLogger } from '../../../src/lib/logger.ts';
import { tellEnd } from '../../../src/runner/telling.ts';
import { createFilesystemStore } from '../../../src/store/filesystem.ts';
import { createWebhookSender } from '../../../src/webhook/standard-webhooks.ts';
import { startReceiver } from '../../fakes/webhook-receiver.ts';

const dir = mkdtempSync(join(tmpdir(), 'runyard-telling-'));
const store = createFilesystemStore({ dir });
afterAll(async () => {
  await store.close();
  rmSync(dir, { recursive: true });
});

const secret = 'the secret of the owner';

interface Case {
  readonly answer?: (index: number) => number | 'hang';
  readonly result?: Partial<RunResult>;
  readonly endedAgoMs?: number;
  readonly privateTargets?: readonly { host: string; port: number }[];
  readonly stop?: AbortSignal;
}

/** Has a runner tell the end of a task to a receiver; what came of it, and after which time. */
async function told({ answer, result = {}, endedAgoMs = 0, privateTargets, stop }: Case) {
  const receiver = await startReceiver(answer);
  onTestFinished(() => receiver.close());
  const record = recordOf(newTaskId());
  const stored = JSON.stringify({ ...resultEnded(endedAgoMs), ...result });
  const openWebhooks = async (targets: readonly { host: string; port: number }[]) =>
    createWebhookSender({ egress: createEgress({ privateTargets: targets }) });
  const beganMs = Date.now();
  await tellEnd(
    { store, openWebhooks, log: silentLogger },
    {
      record,
      stored,
      callback: { url: receiver.url, secret, privateTargets: [...(privateTargets ?? [receiver.target])] },
    },
    stop ?? new AbortController().signal,
  );
  const note = await store.read(keys.webhook(record.id));
  return {
    received: receiver.received,
    note: note && JSON.parse(String(note)),
    tookMs: Date.now() - beganMs,
    id: record.id,
  };
}

function recordOf(id: TaskId): TaskRecord {
  const rest = { backend: 'cloud-run', runs: 1, size: 'small', timeoutSeconds: 60 } as const;
  return { id, kind: 'code', owner: 'key:alice', createdAt: new Date().toISOString(), metadata: { n: 7 }, ...rest };
}

function resultEnded(agoMs: number): RunResult {
  return {
    run: 0,
    status: 'succeeded',
    exitCode: 0,
    stdout: '42\n',
    stderr: '',
    truncated: false,
    artifacts: [],
    startedAt: new Date(Date.now() - agoMs - 5).toISOString(),
    durationMs: 5,
    sandbox: { technology: 'bubblewrap', network: 'none' },
  };
}

test('T7: a runner tells the end of its task once, signed with the secret sealed into it, and notes it', async () => {
  const { received, note, id } = await told({});
  expect(received).toHaveLength(1);
  const [{ headers, body }] = received as [(typeof received)[0]];
  expect(new Webhook(secret, { format: 'raw' }).verify(body, { ...headers })).toMatchObject({
    type: 'task.succeeded',
    data: { owner: 'key:alice', metadata: { n: 7 }, task_id: id, stdout: '42\n' },
  });
  expect(headers['webhook-id']).toBe(`msg_${id}`);
  expect(note).toMatchObject({ outcome: 'told', status: 200 });
});

test('it is tried again, the same bytes under the same id', async () => {
  const { received, note } = await told({ answer: (index) => (index < 2 ? 500 : 204) });
  expect(new Set(received.map(({ body, headers }) => `${headers['webhook-id']} ${body}`)).size).toBe(1);
  expect(received).toHaveLength(3);
  expect(note).toMatchObject({ outcome: 'told', status: 204 });
});

test('410 ends it for everybody', async () => {
  const { received, note } = await told({ answer: () => 410 });
  expect(received).toHaveLength(1);
  expect(note).toMatchObject({ outcome: 'given_up', status: 410 });
});

test('T7: the address is checked at each attempt; one that may not be told is left to a server', async () => {
  const { received, note } = await told({ privateTargets: [], endedAgoMs: 23_000 });
  expect(received).toEqual([]);
  expect(note).toBeUndefined();
});

test('25 s after the end of the run it sends nothing any more, and leaves the rest to a server', async () => {
  const late = await told({ answer: () => 500, endedAgoMs: 22_000 });
  expect(late.received.length).toBeGreaterThan(0);
  expect(late.note).toBeUndefined();
  expect(late.tookMs).toBeLessThan(15_000);
  const tooLate = await told({ endedAgoMs: 25_001 });
  expect(tooLate.received).toEqual([]);
  expect(tooLate.note).toBeUndefined();
});

test('a receiver that does not answer holds it up no longer than that', async () => {
  const { received, note, tookMs } = await told({ answer: () => 'hang', endedAgoMs: 22_000 });
  expect(received).toHaveLength(1);
  expect(note).toBeUndefined();
  expect(tookMs).toBeLessThan(15_000);
});

test('what stops the runner stops the telling at once', async () => {
  const stop = new AbortController();
  const answer = () => {
    stop.abort();
    return 'hang' as const;
  };
  const { note, tookMs } = await told({ answer, stop: stop.signal });
  expect(note).toBeUndefined();
  expect(tookMs).toBeLessThan(10_000);
  expect((await told({ stop: AbortSignal.abort() })).received).toEqual([]);
});

test('the end of a cancelled run is left to a server, which does not wait for it', async () => {
  expect((await told({ result: { status: 'cancelled' } })).received).toEqual([]);
});
