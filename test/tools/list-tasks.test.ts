import { beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { onEngine, startTimeoutMs } from './engine.ts';

const page = z.object({
  tasks: z.array(z.looseObject({ task_id: z.string(), status: z.string(), tool: z.string() })),
  next_cursor: z.string().nullable(),
});

onEngine('list_tasks', (tools) => {
  const list = async (input: Record<string, unknown>) => page.parse(await tools().call('list_tasks', input));
  const run = async (code: string, more: object = {}) =>
    String((await tools().call('execute_code', { language: 'bash', code, ...more })).task_id);

  const ids: string[] = [];
  beforeAll(async () => {
    expect(await list({})).toEqual({ tasks: [], next_cursor: null });
    for (const code of ['true', 'exit 1', 'true']) ids.push(await run(code));
    ids.push(await run('sleep 50', { timeout_seconds: 1 }));
  }, startTimeoutMs);

  test('row 8: newest first, whole and in pages', async () => {
    const all = await list({ limit: 100 });
    expect(all.next_cursor).toBeNull();
    expect(all.tasks.map(({ task_id }) => task_id)).toEqual(ids.toReversed());
    const first = await list({ limit: 3 });
    const second = await list({ limit: 3, cursor: first.next_cursor });
    expect([...first.tasks, ...second.tasks]).toEqual(all.tasks);
    expect(second.next_cursor).toBeNull();
  });

  test('by status', async () => {
    const of = async (status: string) => (await list({ status })).tasks.map(({ task_id }) => task_id);
    expect(await of('succeeded')).toEqual([ids[2], ids[0]]);
    expect(await of('failed')).toEqual([ids[1]]);
    expect(await of('timed_out')).toEqual([ids[3]]);
    expect(await of('cancelled')).toEqual([]);
  });

  test('one that runs is among them, and each has its tool', async () => {
    const task_id = await run('sleep 60', { wait_seconds: 0 });
    const { tasks } = await list({ limit: 1 });
    expect(tasks).toMatchObject([
      { task_id, tool: 'execute_code', status: expect.stringMatching(/^(queued|running)$/) },
    ]);
    await tools().call('cancel_task', { task_id });
    expect(await list({ limit: 1 })).toMatchObject({ tasks: [{ task_id, status: 'cancelled' }] });
  });
});
