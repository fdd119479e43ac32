import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Backend } from '../../src/contracts/backend.ts';
import { keys } from '../../src/contracts/keys.ts';
import type { Store } from '../../src/contracts/store.ts';
import type { Handle, TaskRecord } from '../../src/contracts/task.ts';

/** A backend with everything around it that a runner needs. */
export interface BackendBench {
  readonly backend: Backend;
  readonly store: Store;
  /** Writes a task that sleeps, as a submit leaves it before its launch. */
  sleepingTask(): Promise<TaskRecord>;
  /** Kills the runner that the handle names, as an outage would. */
  kill(handle: Handle): Promise<void>;
  /** A handle of a runner that nobody can ever ask. */
  lostHandle(handle: Handle): Handle;
  close(): Promise<void>;
}

/** What every backend keeps to. */
export function backendContract(name: string, open: () => Promise<BackendBench>): void {
  describe(`${name} keeps the contract of a backend`, () => {
    let bench: BackendBench;
    beforeAll(async () => {
      bench = await open();
    });
    afterAll(() => bench.close());

    const claimed = (task: TaskRecord) =>
      expect
        .poll(async () => (await bench.store.read(keys.claim(task.id, 0))) !== undefined, { timeout: 30_000 })
        .toBe(true);
    const ended = (task: TaskRecord) =>
      expect
        .poll(async () => (await bench.store.read(keys.result(task.id, 0))) !== undefined, { timeout: 30_000 })
        .toBe(true);

    test('launch starts a runner that claims the task, and inspect finds it alive', async () => {
      const task = await bench.sleepingTask();
      const handle = await bench.backend.launch(task);
      await claimed(task);
      expect(await bench.backend.inspect(handle)).toEqual({ state: 'alive' });
      await bench.store.create(keys.cancel(task.id), JSON.stringify({ by: 'the test', at: new Date().toISOString() }));
      await bench.backend.cancel(handle, task.id);
      await ended(task);
      const result = JSON.parse((await bench.store.read(keys.result(task.id, 0)))!.toString());
      expect(result.status).toBe('cancelled');
    });

    test('a task launched twice is claimed once', async () => {
      const task = await bench.sleepingTask();
      const handles = [await bench.backend.launch(task), await bench.backend.launch(task)];
      await claimed(task);
      expect(await bench.store.list(keys.claims(task.id))).toEqual([keys.claim(task.id, 0)]);
      await bench.store.create(keys.cancel(task.id), JSON.stringify({ by: 'the test', at: new Date().toISOString() }));
      for (const handle of handles) await bench.backend.cancel(handle, task.id);
      await ended(task);
    });

    test('a handle survives being written down', async () => {
      const handle = await bench.backend.launch(await bench.sleepingTask());
      expect(await bench.backend.inspect(JSON.parse(JSON.stringify(handle)))).toEqual({ state: 'alive' });
    });

    test('a runner that was killed is ended, with a reason; cancelling it is no error; the next launch works', async () => {
      const task = await bench.sleepingTask();
      const handle = await bench.backend.launch(task);
      await claimed(task);
      await bench.kill(handle);
      await expect.poll(async () => (await bench.backend.inspect(handle)).state, { timeout: 30_000 }).toBe('ended');
      expect(await bench.backend.inspect(handle)).toMatchObject({ reason: expect.stringMatching(/\w/) });
      await bench.backend.cancel(handle, task.id);
      const next = await bench.sleepingTask();
      const nextHandle = await bench.backend.launch(next);
      await claimed(next);
      expect(nextHandle).not.toEqual(handle);
    });

    test('what can never be learnt is unknown, with a reason', async () => {
      const handle = await bench.backend.launch(await bench.sleepingTask());
      expect(await bench.backend.inspect(bench.lostHandle(handle))).toMatchObject({
        state: 'unknown',
        reason: expect.stringMatching(/\w/),
      });
    });

    test('a handle of something else is an error, not an answer', async () => {
      await expect(bench.backend.inspect({ nonsense: 1 })).rejects.toThrow();
    });
  });
}
