import { once } from 'node:events';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { type ServedOverHttp, serveHttp } from '../e2e/served.ts';
import { connectHttp } from '../protocol/clients.ts';
import { describeOn, startTimeoutMs } from './engine.ts';

/** Two owners on one server, which takes HTTP. */

const keyA = 'a-key-of-alice-0123456789';
const keyB = 'a-key-of-bob-0123456789012';
const input = { language: 'bash', code: 'echo 1; echo x > output/a' };

describeOn('owners', (openEngine) => {
  const open: { served?: ServedOverHttp; close(): Promise<void> } = { close: async () => {} };
  beforeAll(async () => {
    const engine = await openEngine();
    const keys = `alice:${keyA}, bob:${keyB}`;
    const served = await serveHttp(engine.home, { ...engine.env, RUNYARD_API_KEYS: keys });
    open.served = served;
    open.close = async () => {
      served.child.kill('SIGTERM');
      await once(served.child, 'exit');
      await engine.close();
    };
  }, startTimeoutMs);
  afterAll(() => open.close());

  /** Status and words of a path, asked for with a key. */
  const ask = async (key: string, path: string, body?: object) => {
    const headers = { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' };
    const init = body === undefined ? { headers } : { method: 'POST', headers, body: JSON.stringify(body) };
    const answer = await fetch(new URL(path, open.served!.url), init);
    return { status: answer.status, text: await answer.text() };
  };

  test("T4, prior D4b: another owner's task is like one that never was, on every way to it", async () => {
    const { task_id } = z.object({ task_id: z.string() }).parse(await open.served!.call(keyA, 'execute_code', input));
    const unknown = `${task_id.slice(0, -1)}${task_id.endsWith('0') ? '1' : '0'}`;
    for (const [tool, more] of [
      ['get_task_logs', {}],
      ['cancel_task', {}],
      ['read_artifact', { path: 'output/a' }],
    ] as const) {
      const foreign = await ask(keyB, `/v1/tools/${tool}`, { task_id, ...more });
      const never = await ask(keyB, `/v1/tools/${tool}`, { task_id: unknown, ...more });
      expect(foreign.status).toBe(404);
      expect(foreign.text.replaceAll(task_id, unknown)).toBe(never.text);
    }
    for (const path of ['', '/runs/0/artifacts/output/a']) {
      const url = `/v1/tasks/${task_id}${path}`;
      expect([(await ask(keyA, url)).status, (await ask(keyB, url)).status]).toEqual([200, 404]);
    }
    const bob = await connectHttp('modern', open.served!.url, keyB);
    await expect(bob.readResource(`runyard://tasks/${task_id}/runs/0/artifacts/output/a`)).rejects.toThrow(/no such/i);
    await bob.close();
    expect(await open.served!.call(keyB, 'list_tasks', {})).toEqual({ tasks: [], next_cursor: null });
  });

  test('row 33: the same idempotency_key of two owners is two tasks', async () => {
    const same = { ...input, idempotency_key: 'same' };
    const [a, b] = [
      await open.served!.call(keyA, 'execute_code', same),
      await open.served!.call(keyB, 'execute_code', same),
    ];
    expect([a?.success, b?.success]).toEqual([true, true]);
    expect(a?.task_id).not.toBe(b?.task_id);
  });
});
