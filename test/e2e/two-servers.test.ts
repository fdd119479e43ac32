import { afterAll, beforeAll, expect, test } from 'vitest';
import { keys } from '../../src/contracts/keys.ts';
import type { Store } from '../../src/contracts/store.ts';
import { alice, codeTask, createYard, ended, logText, type Yard } from './yard.ts';

/** Servers know nothing by themselves: what one was told, any other can answer. */

let yard: Yard;
beforeAll(() => {
  yard = createYard();
});
afterAll(() => yard.remove());

const wait = (waitMs: number) => ({ waitMs, signal: new AbortController().signal });
const long = codeTask({ code: 'import time\nprint("begun", flush=True)\ntime.sleep(60)' });

test('prior A12a: a task is cancelled by a server that never heard of it, while the one that did is there or gone', async () => {
  const [first, second] = [yard.server(), yard.server()];
  for (const dies of [false, true]) {
    const id = await first.tasks.submit(long, alice);
    await first.tasks.waitForEvents(id, alice, { run: 0, fromSeq: 0, until: 'end of task', ...wait(20_000) });
    if (dies) await first.die();
    const view = await second.tasks.cancel(id, alice, wait(20_000));
    expect(view).toMatchObject({ status: 'cancelled', result: { stdout: 'begun\n' } });
    expect(await logText(second, id)).toBe('begun');
  }
});

test('prior C3b: the time limit of a task holds though nobody waits for it and its server has gone', async () => {
  const [first, second] = [yard.server(), yard.server()];
  const id = await first.tasks.submit({ ...long, timeoutSeconds: 3 }, alice);
  await first.die();
  await expect
    .poll(async () => String((await yard.store.read(keys.result(id, 0))) ?? ''), { timeout: 20_000 })
    .toContain('timed_out');
  expect(await ended(second, id)).toMatchObject({ status: 'timed_out', result: { error: { code: 'timed_out' } } });
});

test('prior A11b: a part of the log that cannot be read now is an error now, and there the next time', async () => {
  const trouble = { left: 0 };
  const through = (store: Store): Store => ({
    ...store,
    read: async (key, range) => {
      if (!key.includes('/events/') || trouble.left-- <= 0) return store.read(key, range);
      throw new Error('the disk is being looked for');
    },
  });
  const server = yard.server(through);
  const code = 'import time\nfor n in range(4):\n    print("line", n, flush=True)\n    time.sleep(0.6)';
  const id = await server.tasks.submit(codeTask({ code }), alice);
  await ended(server, id);
  expect((await yard.store.list(keys.events(id, 0))).length).toBeGreaterThan(1);
  trouble.left = 1;
  await expect(logText(server, id)).rejects.toThrow('the disk is being looked for');
  trouble.left = 0;
  expect(await logText(server, id)).toBe('line 0\nline 1\nline 2\nline 3');
});
