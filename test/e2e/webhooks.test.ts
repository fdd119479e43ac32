import { Webhook } from 'standardwebhooks';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { keys } from '../../src/contracts/keys.ts';
import { createEnvironmentSecrets } from '../../src/secrets/environment.ts';
import type { SecretSource } from '../../src/tasks/task-secrets.ts';
import { startReceiver } from '../fakes/webhook-receiver.ts';
import { alice, bob, codeTask, createYard, ended } from './yard.ts';

const yard = createYard();
afterAll(() => yard.remove());

const hookSecret = `whsec_${Buffer.from('the secret of alice, 32 bytes ..').toString('base64')}`;

async function receiver(...statuses: number[]) {
  const { received, target, url, close } = await startReceiver((index) => statuses[index] ?? 200);
  onTestFinished(close);
  const secrets: SecretSource = {
    secrets: createEnvironmentSecrets({ ALICE: hookSecret, ALL: 'a secret for everybody else' }),
    secretDeclarations: [
      { reference: 'env:ALL', uses: [{ use: 'webhook', ...target }] },
      { reference: 'env:ALICE', uses: [{ use: 'webhook', ...target }], owner: alice.owner },
    ],
  };
  return { received, secrets, target, callbackUrl: `${url}?secret-of-the-url=1` };
}

const webhookKey = async (id: string) => {
  const bytes = await yard.store.read(keys.webhook(id as never));
  return bytes === undefined ? undefined : JSON.parse(bytes.toString());
};

describe('a webhook', () => {
  test('tells the result as the tool would, signed, with the owner and the metadata in it', async () => {
    const { received, secrets, target, callbackUrl } = await receiver();
    const server = yard.server(undefined, secrets, [target]);
    const task = codeTask({ code: 'print(42)' }, { callbackUrl, metadata: { ticket: 'T-1' } });
    const id = await server.tasks.submit(task, alice);
    await ended(server, id);
    await expect.poll(() => received.length, { timeout: 10_000 }).toBe(1);
    const [{ headers, body }] = received as [(typeof received)[0]];
    const told = new Webhook(hookSecret).verify(body, { ...headers });
    expect(told).toMatchObject({
      type: 'task.succeeded',
      timestamp: expect.stringMatching(/^20\d\d-/),
      data: { owner: alice.owner, metadata: { ticket: 'T-1' }, task_id: id, status: 'succeeded', stdout: '42\n' },
    });
    expect(headers['webhook-id']).toBe(`msg_${id}`);
    await expect.poll(() => webhookKey(id)).toMatchObject({ outcome: 'told', status: 200 });
    expect(await yard.store.list(keys.allTelling)).toEqual([]);
  });

  test('T7, prior A14e: each owner’s is signed with its own secret', async () => {
    const { received, secrets, target, callbackUrl } = await receiver();
    const server = yard.server(undefined, secrets, [target]);
    const id = await server.tasks.submit(codeTask({ code: 'raise SystemExit(3)' }, { callbackUrl }), bob);
    await ended(server, id, bob);
    await expect.poll(() => received.length, { timeout: 10_000 }).toBe(1);
    const [{ headers, body }] = received as [(typeof received)[0]];
    expect(() => new Webhook(hookSecret).verify(body, { ...headers })).toThrow();
    const own = new Webhook('a secret for everybody else', { format: 'raw' });
    expect(own.verify(body, { ...headers })).toMatchObject({
      type: 'task.failed',
      data: { owner: bob.owner, exit_code: 3 },
    });
  });

  test('prior A14c E5e: is tried again with growing gaps, the same bytes under the same id', async () => {
    const { received, secrets, target, callbackUrl } = await receiver(500, 429, 200);
    const server = yard.server(undefined, secrets, [target]);
    const id = await server.tasks.submit(codeTask({ code: '' }, { callbackUrl }), alice);
    await ended(server, id);
    await expect.poll(() => webhookKey(id), { timeout: 15_000 }).toMatchObject({ outcome: 'told' });
    expect(received).toHaveLength(3);
    expect(new Set(received.map(({ body }) => body)).size).toBe(1);
    expect(new Set(received.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    const [first, second, third] = received.map(({ atMs }) => atMs) as [number, number, number];
    expect(second - first).toBeGreaterThan(300);
    expect(third - second).toBeGreaterThan(700);
  });

  test.for([410, 404, 302])('is given up at %s', async (status) => {
    const { received, secrets, target, callbackUrl } = await receiver(status);
    const server = yard.server(undefined, secrets, [target]);
    const id = await server.tasks.submit(codeTask({ code: '' }, { callbackUrl }), alice);
    await ended(server, id);
    await expect.poll(() => webhookKey(id), { timeout: 10_000 }).toMatchObject({ outcome: 'given_up', status });
    expect(received).toHaveLength(1);
    expect(await yard.store.list(keys.allTelling)).toEqual([]);
  });

  test('is told by the next server where the first one died', async () => {
    const { received, secrets, target, callbackUrl } = await receiver();
    const first = yard.server(undefined, secrets, [target]);
    const id = await first.tasks.submit(codeTask({ code: 'import time; time.sleep(3)' }, { callbackUrl }), alice);
    await first.die();
    const second = yard.server(undefined, secrets, [target]);
    await ended(second, id);
    expect(received).toHaveLength(0);
    second.tell();
    await expect.poll(() => received.length, { timeout: 10_000 }).toBe(1);
  });

  test('prior A3c: of a run whose runner was killed is sent all the same', async () => {
    const { received, secrets, target, callbackUrl } = await receiver();
    const server = yard.server(undefined, secrets, [target]);
    const id = await server.tasks.submit(codeTask({ code: 'import time; time.sleep(60)' }, { callbackUrl }), alice);
    const claim = async () => String((await yard.store.read(keys.claim(id, 0))) ?? '');
    await expect.poll(claim, { timeout: 20_000 }).toContain('pid');
    process.kill(Number(JSON.parse(await claim()).handle.pid), 'SIGKILL');
    expect((await ended(server, id)).status).toBe('failed');
    server.tell();
    await expect.poll(() => received.length, { timeout: 10_000 }).toBe(1);
    expect(JSON.parse(received[0]!.body)).toMatchObject({
      type: 'task.failed',
      data: { task_id: id, success: false, error: { code: 'runner_lost' } },
    });
  });

  test('prior A4c A4d: of a cancelled task is sent too, and nothing sealed of it stays', async () => {
    const { received, secrets, target, callbackUrl } = await receiver();
    const server = yard.server(undefined, secrets, [target]);
    const id = await server.tasks.submit(codeTask({ code: 'import time; time.sleep(60)' }, { callbackUrl }), alice);
    expect(await yard.store.read(keys.sealed(id))).toBeDefined();
    const patience = { waitMs: 20_000, signal: new AbortController().signal };
    expect((await server.tasks.cancel(id, alice, patience)).status).toBe('cancelled');
    await expect.poll(() => received.length, { timeout: 10_000 }).toBe(1);
    expect(JSON.parse(received[0]!.body)).toMatchObject({ type: 'task.cancelled', data: { task_id: id } });
    await expect.poll(() => webhookKey(id)).toMatchObject({ outcome: 'told' });
    for (const key of [keys.sealed(id), keys.telling(alice.owner, id)]) {
      expect(await yard.store.read(key)).toBeUndefined();
    }
  });

  test('its address lies sealed, because it may hold a secret', async () => {
    const { secrets, target, callbackUrl } = await receiver();
    const server = yard.server(undefined, secrets, [target]);
    const id = await server.tasks.submit(codeTask({ code: 'import time; time.sleep(1)' }, { callbackUrl }), alice);
    const sealed = await yard.store.read(keys.telling(alice.owner, id));
    expect(sealed?.includes('secret-of-the-url')).toBe(false);
    expect(String(await yard.store.read(keys.record(id)))).not.toContain('hook');
    await ended(server, id);
  });
});

describe('prior A14d: a receiver that may not be told is refused before anything starts', () => {
  test.for([
    ['T7: the metadata server', 'http://169.254.169.254/latest', 'egress_denied'],
    ['D6: a private address', 'https://10.0.0.1/hook', 'egress_denied'],
    ['D6: this machine', 'https://localhost/hook', 'egress_denied'],
    ['D6: a receiver on another port', 'http://127.0.0.1:1/hook', 'egress_denied'],
  ] as const)('%s', async ([, callbackUrl, code]) => {
    const { secrets, target } = await receiver();
    const server = yard.server(undefined, secrets, [target]);
    const before = await yard.store.list(keys.tasksOf(alice.owner));
    await expect(server.tasks.submit(codeTask({ code: '' }, { callbackUrl }), alice)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(/^callback_url: /),
    });
    expect(await yard.store.list(keys.tasksOf(alice.owner))).toEqual(before);
  });

  test('T7: one for which no secret is declared', async () => {
    const { secrets, target, callbackUrl } = await receiver();
    const server = yard.server(undefined, { ...secrets, secretDeclarations: [] }, [target]);
    await expect(server.tasks.submit(codeTask({ code: '' }, { callbackUrl }), alice)).rejects.toMatchObject({
      code: 'forbidden',
      message: expect.stringContaining('no secret is declared for webhooks'),
    });
  });
});
