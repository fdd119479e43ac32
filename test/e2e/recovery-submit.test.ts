import { v7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { keys } from '../../src/contracts/keys.ts';
import type { Store } from '../../src/contracts/store.ts';
import { alice, bob, codeTask, createYard, ended, everyKey, setupTask, type Yard, type YardServer } from './yard.ts';

/** A submit that was interrupted anywhere ends in the truth: the task runs, or there never was one. */

let yard: Yard;
let next: YardServer;

beforeAll(() => {
  yard = createYard();
  next = yard.server();
});
afterAll(() => yard.remove());

class Killed extends Error {}

/** A store of a server that is killed right after its nth create: nothing it does later arrives. */
function killedAfter(creates: number): (store: Store) => Store {
  let left = creates;
  const alive = async <T>(work: () => Promise<T>): Promise<T> => {
    if (left <= 0) throw new Killed();
    return work();
  };
  return (store) => ({
    create: (key, data) =>
      alive(async () => {
        left--;
        return store.create(key, data);
      }),
    persist: (key) => alive(() => store.persist(key)),
    read: (key, range) => alive(() => store.read(key, range)),
    list: (prefix, options) => alive(() => store.list(prefix, options)),
    remove: (key) => alive(() => store.remove(key)),
    removeAll: (prefix) => alive(() => store.removeAll(prefix)),
    touch: (key) => alive(() => store.touch(key)),
    expire: (prefix, olderThanMs) => alive(() => store.expire(prefix, olderThanMs)),
    close: async () => {},
  });
}

/** mac key, key, sealed, pending, owners, task.json, launch, handle */
const steps = [
  'the mac key',
  'the idempotency key',
  'sealed',
  'pending',
  'owners',
  'task.json',
  'the launch',
  'the handle',
];

describe('a submit killed after its nth write', () => {
  test.each(steps.map((name, index) => ({ name, creates: index + 1 })))(
    'n = $creates, $name: the same request again gives one task that succeeds',
    async ({ creates }) => {
      const caller = { owner: `key:killed-${creates}` };
      const task = codeTask({ code: `print("run", ${creates})` }, { idempotencyKey: `order-${creates}` });
      // The mac key is there after the first of these tests: later ones have one create less.
      const hasMacKey = (await yard.store.read(keys.macKey)) !== undefined;
      const dying = yard.server(killedAfter(hasMacKey ? creates - 1 : creates));
      const first = await dying.tasks.submit(task, caller).then(
        (id) => id,
        () => undefined,
      );
      await dying.die();

      const id = await next.tasks.submit(task, caller);
      if (first !== undefined) expect(id).toBe(first);
      await next.sweep();
      const view = await ended(next, id, caller);
      expect(view.status).toBe('succeeded');
      expect(view.result?.stdout).toBe(`run ${creates}\n`);
      const { tasks } = await next.tasks.list(caller, { limit: 10 });
      expect(tasks.map((one) => one.record.id)).toEqual([id]);
      expect(await yard.store.list(keys.pendingOf(caller.owner))).toEqual([]);
    },
  );

  test('acknowledged and never launched: the next server launches it without being asked', async () => {
    const caller = { owner: 'key:never-launched' };
    // sealed, pending, owners, task.json
    const dying = yard.server(killedAfter(4));
    await expect(dying.tasks.submit(codeTask({ code: 'print("late")' }), caller)).rejects.toThrow();
    await next.sweep();
    const { tasks } = await next.tasks.list(caller, { limit: 10 });
    expect(tasks).toHaveLength(1);
    const view = await ended(next, tasks[0]!.record.id, caller);
    expect(view.result?.stdout).toBe('late\n');
  });
});

test('what a submit left without task.json is dropped after a day, not before', async () => {
  const [old, young] = [Date.now() - 25 * 3_600_000, Date.now()].map((msecs) => `task_${v7({ msecs })}`) as [
    string,
    string,
  ];
  for (const id of [old, young]) {
    for (const key of [keys.sealed(id), keys.pending(bob.owner, id), keys.taskOf(bob.owner, id)])
      await yard.store.create(key, '');
  }
  await next.sweep();
  expect(await yard.store.list(keys.pendingOf(bob.owner))).toEqual([keys.pending(bob.owner, young)]);
  expect(await yard.store.read(keys.sealed(old))).toBeUndefined();
  expect(await yard.store.list(keys.tasksOf(bob.owner))).toEqual([keys.taskOf(bob.owner, young)]);
  expect((await next.tasks.list(bob, { limit: 10 })).tasks).toEqual([]);
});

test('prior A14a: the same key with another request is a conflict, under another owner a task of its own (T3)', async () => {
  const one = codeTask({ code: 'print(1)' }, { idempotencyKey: 'k' });
  const id = await next.tasks.submit(one, alice);
  expect(await next.tasks.submit(one, alice)).toBe(id);
  await expect(next.tasks.submit({ ...one, timeoutSeconds: 61 }, alice)).rejects.toMatchObject({ code: 'conflict' });
  expect(await next.tasks.submit(one, bob)).not.toBe(id);
  // What lies under the key tells nothing of the request to who has no key of the seal.
  const record = (await yard.store.read(keys.idempotency(alice.owner, 'k')))!.toString();
  expect(record).not.toContain('print');
  await ended(next, id);
});

test('prior D6d: 100 unfinished tasks are the most an owner has; the next is refused and leaves nothing', async () => {
  const own = createYard();
  onTestFinished(() => own.remove());
  const { tasks } = own.server();
  const caller = { owner: 'key:busy' };
  for (let n = 0; n < 100; n++) await own.store.create(keys.pending(caller.owner, `task_${v7()}`), '');
  const before = await everyKey(own);
  for (const task of [codeTask({ code: '1' }), setupTask({})]) {
    await expect(tasks.submit(task, caller)).rejects.toMatchObject({ code: 'too_many_tasks', retryable: true });
  }
  expect(await everyKey(own)).toEqual(before);
});

test('a refusal for too many tasks leaves the idempotency key free: for the same request, and for another', async () => {
  const caller = { owner: 'key:patient' };
  const pending = Array.from({ length: 100 }, () => keys.pending(caller.owner, `task_${v7()}`));
  for (const key of pending) await yard.store.create(key, '');
  const task = codeTask({ code: 'print(1)' }, { idempotencyKey: 'again' });
  await expect(next.tasks.submit(task, caller)).rejects.toMatchObject({ code: 'too_many_tasks' });
  expect(await yard.store.read(keys.idempotency(caller.owner, 'again'))).toBeUndefined();
  await yard.store.remove(pending[0]!);
  const another = codeTask({ code: 'print(2)' }, { idempotencyKey: 'again' });
  const id = await next.tasks.submit(another, caller);
  expect(await next.tasks.submit(another, caller)).toBe(id);
  expect((await ended(next, id, caller)).result?.stdout).toBe('2\n');
});

test('the same key again, above the limit: the task that it stands for is given, and one that was interrupted goes on', async () => {
  const caller = { owner: 'key:full' };
  const task = codeTask({ code: 'print(1)' }, { idempotencyKey: 'mine' });
  // the mac key where it is not there yet, the key, sealed, pending
  const dying = yard.server(killedAfter((await yard.store.read(keys.macKey)) === undefined ? 4 : 3));
  await expect(dying.tasks.submit(task, caller)).rejects.toThrow();
  for (let n = 0; n < 100; n++) await yard.store.create(keys.pending(caller.owner, `task_${v7()}`), '');
  const id = await next.tasks.submit(task, caller);
  expect(await next.tasks.submit(task, caller)).toBe(id);
  expect((await ended(next, id, caller)).status).toBe('succeeded');
});

test('whoever is refused again and again gathers no ids that come before everything', async () => {
  const caller = { owner: 'key:crafty' };
  const clear = async () => {
    for (const key of await yard.store.list(keys.pendingOf(caller.owner))) await yard.store.remove(key);
  };
  const tasks = Array.from({ length: 130 }, (_, n) => codeTask({ code: ':' }, { idempotencyKey: `crafty-${n}` }));
  // As many at once: all pass the first look, those above the limit are refused with an id under their key.
  const first = await Promise.allSettled(tasks.map((task) => next.tasks.submit(task, caller)));
  const refused = tasks.filter((_, n) => first[n]?.status === 'rejected');
  expect(refused.length).toBeGreaterThan(0);
  await clear();
  for (let n = 0; n < 100; n++) await yard.store.create(keys.pending(caller.owner, `task_${v7()}`), '');
  for (const task of refused.toReversed())
    await expect(next.tasks.submit(task, caller)).rejects.toMatchObject({ code: 'too_many_tasks' });
  await clear();
  await next.tasks.submit(refused[0]!, caller);
});

test('of many submits at once as many get through as may', async () => {
  const caller = { owner: 'key:crowd' };
  for (let n = 0; n < 97; n++) await yard.store.create(keys.pending(caller.owner, `task_${v7()}`), '');
  const task = codeTask({ code: 'import time; time.sleep(60)' });
  const submits = await Promise.allSettled(Array.from({ length: 12 }, () => next.tasks.submit(task, caller)));
  expect(submits.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
  expect(await yard.store.list(keys.pendingOf(caller.owner))).toHaveLength(100);
  const ids = submits.flatMap((submit) => (submit.status === 'fulfilled' ? [submit.value] : []));
  const { signal } = new AbortController();
  await Promise.all(ids.map((id) => next.tasks.cancel(id, caller, { waitMs: 30_000, signal })));
});

test('a task that has ended counts no more, also where nobody has looked at its end', async () => {
  const caller = { owner: 'key:forgetful' };
  const id = await next.tasks.submit(codeTask({ code: '1' }), caller);
  for (let n = 0; n < 99; n++) await yard.store.create(keys.pending(caller.owner, `task_${v7()}`), '');
  await expect.poll(() => yard.store.read(keys.result(id, 0)), { timeout: 30_000 }).toBeDefined();
  expect(await yard.store.read(keys.pending(caller.owner, id))).toBeDefined();
  await ended(next, await next.tasks.submit(codeTask({ code: '1' }), caller), caller);
});

test('prior A12b: tasks past their retention are forgotten with everything that names them; younger ones stay', async () => {
  const caller = { owner: 'key:outlived' };
  const monthAgo = Date.now() - 31 * 24 * 3_600_000;
  const old = `task_${v7({ msecs: monthAgo })}`;
  const record = {
    ...{ id: old, kind: 'code', owner: caller.owner, backend: 'local', runs: 1, size: 'small', timeoutSeconds: 60 },
    createdAt: new Date(monthAgo).toISOString(),
  };
  await yard.store.create(keys.taskOf(caller.owner, old), '');
  await yard.store.create(keys.record(old), JSON.stringify(record));
  await yard.store.create(keys.result(old, 0), 'whatever it was');
  await yard.store.create(keys.idempotency(caller.owner, 'old'), JSON.stringify({ task: old, mac: '00' }));
  const young = await next.tasks.submit(codeTask({ code: 'print(1)' }, { idempotencyKey: 'young' }), caller);
  await ended(next, young, caller);

  await next.purge();
  expect(await yard.store.list(keys.task(old))).toEqual([]);
  expect(await yard.store.read(keys.idempotency(caller.owner, 'old'))).toBeUndefined();
  expect(await yard.store.list(keys.tasksOf(caller.owner))).toEqual([keys.taskOf(caller.owner, young)]);
  expect(await yard.store.read(keys.idempotency(caller.owner, 'young'))).toBeDefined();
  expect((await next.tasks.look(young, caller)).status).toBe('succeeded');
});
