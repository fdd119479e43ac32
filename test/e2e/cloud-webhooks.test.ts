import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, type TestContext, test } from 'vitest';
import type { TaskId } from '../../src/contracts/ids.ts';
import { keys } from '../../src/contracts/keys.ts';
import type { ExecutionPlan } from '../fakes/google/cloud-run-executions.ts';
import { type Google, startGoogle } from '../fakes/google/yard.ts';
import { type ModelServer, say, startModelServer } from '../fakes/model-server.ts';
import { startReceiver } from '../fakes/webhook-receiver.ts';
import { lacking } from './claude-runs.ts';
import { createHome, type Served, serve } from './served.ts';

/** On Cloud Run a task outlives the laptop that submitted it, and so does its webhook: the runner tells it. */

const hookSecret = `whsec_${Buffer.from('the secret of its owner, 32 bytes').toString('base64')}`;

let google: Google;
let upstream: ModelServer;
const { home, remove } = createHome();
beforeAll(async () => {
  [google, upstream] = await Promise.all([startGoogle({ storage: 'ours' }), startModelServer([say('Done.')])]);
});
afterAll(async () => {
  await google.close();
  await upstream.close();
  remove();
});

/** A receiver, and servers that may tell it. */
async function prepare(
  answer: ((index: number) => number | 'hang') | undefined,
  onTestFinished: TestContext['onTestFinished'],
) {
  const receiver = await startReceiver(answer);
  onTestFinished(() => receiver.close());
  const { host, port } = receiver.target;
  return {
    receiver,
    async server(): Promise<Served> {
      const served = await serve(home, {
        ...google.env,
        ANTHROPIC_API_KEY: 'sk-ant-anything',
        ANTHROPIC_BASE_URL: upstream.url,
        HOOK: hookSecret,
        RUNYARD_SECRETS: `env:HOOK webhook@${host}:${port}`,
        RUNYARD_CALLBACK_ALLOW: `${host}:${port}`,
      });
      onTestFinished(() => served.close());
      return served;
    },
    /** The id of a task that ends soon after its runner may begin. */
    async submit(served: Served, plan: ExecutionPlan = {}): Promise<TaskId> {
      google.run.plan(plan);
      const task = { prompt: 'Do it.', callback_url: receiver.url, metadata: { ticket: 'T-1' }, wait_seconds: 0 };
      return String((await served.call('run_claude_task', task)).task_id);
    },
  };
}

const objects = () => google.storageServer!.objects(google.place.bucket);
const executionOf = (id: TaskId) => google.run.executions().find(({ spec }) => spec.env.RUNYARD_TASK === id)!;
const exitCodeOf = (id: TaskId) => executionOf(id).tasks[0]!.exitCode;
const isListed = (id: TaskId) => [...objects().keys()].some((key) => key.startsWith('telling/') && key.endsWith(id));

function noteOf(id: TaskId): unknown {
  const object = objects().get(keys.webhook(id));
  return object && JSON.parse(String(object.bytes));
}

describe.skipIf(lacking !== undefined)(
  lacking === undefined ? 'a webhook of a task on Cloud Run' : `(skipped: needs ${lacking})`,
  () => {
    test('T7, C4: comes though the server was closed right after the submit: once, whole and verifiable', async ({
      onTestFinished,
    }) => {
      const { receiver, server, submit } = await prepare(undefined, onTestFinished);
      const first = await server();
      const closed = Promise.withResolvers<void>();
      const id = await submit(first, { startsAfter: closed.promise });
      await first.close();
      closed.resolve();
      await expect.poll(() => exitCodeOf(id), { timeout: 30_000 }).toBe(0);
      const [{ headers, body }] = receiver.received as [(typeof receiver.received)[0]];
      expect(new Webhook(hookSecret).verify(body, { ...headers })).toMatchObject({
        type: 'task.succeeded',
        data: {
          metadata: { ticket: 'T-1' },
          task_id: id,
          response: 'Done.',
          artifacts: [expect.objectContaining({ path: 'transcript.jsonl' })],
        },
      });
      expect(headers['webhook-id']).toBe(`msg_${id}`);
      expect(noteOf(id)).toMatchObject({ outcome: 'told', status: 200 });
      for (const secret of [hookSecret, receiver.url]) {
        expect([...objects().values()].filter(({ bytes }) => Buffer.from(bytes).includes(secret))).toEqual([]);
        expect(google.run.requests.filter(({ body }) => body.includes(secret))).toEqual([]);
        expect(google.run.logOf(executionOf(id), 0)).not.toContain(secret);
      }
      expect(isListed(id)).toBe(true);
      await server();
      await expect.poll(() => isListed(id)).toBe(false);
      expect(receiver.received).toHaveLength(1);
    });

    test.concurrent('410 is the end of it, though a runner was told so', async ({ expect, onTestFinished }) => {
      const { receiver, server, submit } = await prepare(() => 410, onTestFinished);
      const served = await server();
      const id = await submit(served);
      await expect.poll(() => noteOf(id), { timeout: 30_000 }).toMatchObject({ outcome: 'given_up', status: 410 });
      await served.close();
      await server();
      await expect.poll(() => isListed(id)).toBe(false);
      expect(receiver.received).toHaveLength(1);
    });

    test.concurrent('its runner ends at once where the platform stops it while it tells', async ({
      expect,
      onTestFinished,
    }) => {
      const { receiver, server, submit } = await prepare(() => 'hang', onTestFinished);
      const id = await submit(await server());
      await expect.poll(() => receiver.received.length, { timeout: 30_000 }).toBe(1);
      const stoppedMs = Date.now();
      await fetch(`${google.run.url}/v2/${executionOf(id).name}:cancel`, { method: 'POST', body: '{}' });
      await expect.poll(() => exitCodeOf(id)).toBe(0);
      expect(Date.now() - stoppedMs).toBeLessThan(10_000);
      expect(noteOf(id)).toBeUndefined();
    });

    describe.concurrent('that its runner could not bring', () => {
      test('T7: is told by a server, never two at once, with the same id and bytes', {
        timeout: 150_000,
      }, async ({ expect, onTestFinished }) => {
        const { receiver, server, submit } = await prepare(() => (runnerHasEnded() ? 200 : 500), onTestFinished);
        const served = await server();
        const id = await submit(served);
        const runnerHasEnded = () => exitCodeOf(id) !== undefined;
        // The server knows of the end all the time.
        await served.call('get_task_logs', { task_id: id, wait_seconds: 30 });
        await expect.poll(() => noteOf(id), { timeout: 100_000 }).toMatchObject({ outcome: 'told' });
        const { received } = receiver;
        expect(new Set(received.map(({ body, headers }) => `${headers['webhook-id']} ${body}`)).size).toBe(1);
        const endedMs = Date.parse(JSON.parse(received[0]!.body).timestamp);
        const afterMs = received.map(({ atMs }) => atMs - endedMs);
        expect(afterMs.filter((ms) => ms < 26_000).length).toBeGreaterThan(2);
        expect(afterMs.filter((ms) => ms >= 26_000)).toEqual([expect.toSatisfy((ms: number) => ms > 39_900)]);
        expect(new Webhook(hookSecret).verify(received.at(-1)!.body, { ...received.at(-1)!.headers })).toBeTruthy();
      });

      test('because it was killed while it told: a server tells it afterwards, with the same id and bytes', {
        timeout: 150_000,
      }, async ({ expect, onTestFinished }) => {
        const { receiver, server, submit } = await prepare((index) => (index === 0 ? 'hang' : 200), onTestFinished);
        const id = await submit(await server());
        await expect.poll(() => receiver.received.length, { timeout: 30_000 }).toBe(1);
        google.run.kill(executionOf(id), 0);
        await expect.poll(() => noteOf(id), { timeout: 100_000 }).toMatchObject({ outcome: 'told', status: 200 });
        const [first, second, ...more] = receiver.received;
        expect([second!.body, second!.headers['webhook-id']]).toEqual([first!.body, first!.headers['webhook-id']]);
        expect(more).toEqual([]);
      });

      test('because it was killed while it worked: a server tells the loss', { timeout: 150_000 }, async ({
        expect,
        onTestFinished,
      }) => {
        const { receiver, server, submit } = await prepare(undefined, onTestFinished);
        const served = await server();
        const id = await submit(served);
        await expect.poll(() => objects().has(keys.claim(id, 0)), { timeout: 20_000, interval: 5 }).toBe(true);
        google.run.kill(executionOf(id), 0);
        await served.call('get_task_logs', { task_id: id, wait_seconds: 50 });
        await expect.poll(() => receiver.received.length, { timeout: 60_000 }).toBe(1);
        expect(JSON.parse(receiver.received[0]!.body)).toMatchObject({
          type: 'task.failed',
          data: { task_id: id, error: { code: 'runner_lost' } },
        });
      });
    });
  },
);
