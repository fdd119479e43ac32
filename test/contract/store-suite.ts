import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { Store } from '../../src/contracts/store.ts';

/** What every store keeps to. `open` gives one on an empty place; called again, another one on the same place. */
export function storeContract(name: string, open: () => Promise<Store>): void {
  describe(`${name} keeps the contract of a store`, () => {
    test('an object reads back whole, and ranges of it', async () => {
      const store = await open();
      expect(await store.create('meta/one', 'hello')).toBe('created');
      expect((await store.read('meta/one'))?.toString()).toBe('hello');
      expect((await store.read('meta/one', { offset: 1, length: 3 }))?.toString()).toBe('ell');
      expect((await store.read('meta/one', { offset: 4, length: 100 }))?.toString()).toBe('o');
      expect((await store.read('meta/one', { offset: 50, length: 1 }))?.length).toBe(0);
      await store.persist('meta/one');
    });

    test('what is not there reads as undefined', async () => {
      const store = await open();
      expect(await store.read('meta/none')).toBeUndefined();
      expect(await store.read('tasks/none/claims/0')).toBeUndefined();
    });

    test('what was touched is younger than what was not, and what is not there can be touched', async () => {
      const store = await open();
      await store.create('inputs/owner/one.tar.zst', 'one');
      await store.touch('inputs/owner/one.tar.zst');
      await store.touch('inputs/owner/none.tar.zst');
      await store.expire('inputs/', 60_000);
      expect((await store.read('inputs/owner/one.tar.zst'))?.toString()).toBe('one');
      expect(await store.read('inputs/owner/none.tar.zst')).toBeUndefined();
    });

    test('a second create changes nothing and says so', async () => {
      const store = await open();
      await store.create('tasks/t1/claims/0', 'first');
      expect(await store.create('tasks/t1/claims/0', 'second')).toBe('exists');
      expect((await store.read('tasks/t1/claims/0'))?.toString()).toBe('first');
    });

    test('of many creates at once exactly one wins, and its bytes stand', async () => {
      const stores = [await open(), await open()];
      const writers = Array.from({ length: 40 }, (_, n) => `writer ${n}`);
      const answers = await Promise.all(
        writers.map((writer, n) => stores[n % 2]!.create('tasks/race/results/0.json', writer)),
      );
      expect(answers.filter((answer) => answer === 'created')).toHaveLength(1);
      expect((await stores[0]!.read('tasks/race/results/0.json'))?.toString()).toBe(
        writers[answers.indexOf('created')],
      );
    });

    test('nobody sees half of an object', async () => {
      const [writer, reader] = [await open(), await open()];
      const half = randomBytes(512 * 1024);
      const seen = new Set<number | undefined>();
      const look = async () => {
        seen.add((await reader.read('meta/slow'))?.length);
        // A store may answer without a turn of the loop, which the writer needs.
        await new Promise((resolve) => setImmediate(resolve));
      };
      async function* slowly() {
        yield half;
        for (let looks = 0; looks < 10; looks++) await look();
        yield half;
      }
      const state = { isCreated: false };
      const created = writer.create('meta/slow', slowly()).then(() => {
        state.isCreated = true;
      });
      while (!state.isCreated) await look();
      await created;
      seen.add((await reader.read('meta/slow'))?.length);
      expect(seen).toEqual(new Set([undefined, half.length * 2]));
    });

    test('a create that breaks off leaves nothing', async () => {
      const store = await open();
      async function* broken() {
        yield Buffer.from('half');
        throw new Error('the source broke');
      }
      await expect(store.create('meta/broken', broken())).rejects.toThrow();
      expect(await store.read('meta/broken')).toBeUndefined();
      expect(await store.create('meta/broken', 'whole')).toBe('created');
    });

    test('lists keys below a prefix in byte order, after a key, up to a limit', async () => {
      const store = await open();
      for (const name of ['b', 'a', 'c', 'd/e']) await store.create(`owners/o1/${name}`, '');
      await store.create('owners/o10/z', '');
      expect(await store.list('owners/o1/')).toEqual(['owners/o1/a', 'owners/o1/b', 'owners/o1/c', 'owners/o1/d/e']);
      expect(await store.list('owners/o1/', { after: 'owners/o1/a', limit: 2 })).toEqual([
        'owners/o1/b',
        'owners/o1/c',
      ]);
      expect(await store.list('owners/none/')).toEqual([]);
      expect(await store.list('owners/')).toHaveLength(5);
    });

    test('lists one part of a task without the others', async () => {
      const store = await open();
      for (const key of ['claims/0', 'claims/10', 'claims/2', 'results/0.json', 'runs/0/events/00000000.jsonl'])
        await store.create(`tasks/t2/${key}`, '');
      expect(await store.list('tasks/t2/claims/')).toEqual([
        'tasks/t2/claims/0',
        'tasks/t2/claims/10',
        'tasks/t2/claims/2',
      ]);
      expect(await store.list('tasks/t2/runs/0/events/')).toEqual(['tasks/t2/runs/0/events/00000000.jsonl']);
      expect(await store.list('tasks/t2/')).toHaveLength(5);
    });

    test('any name of an artifact stands for itself: spaces, percent, unicode, dots, 3,000 characters', async () => {
      const store = await open();
      const names = [
        'a b.txt',
        '100%.txt',
        'ü/ñ+日本.png',
        '..hidden',
        'a+',
        'x'.repeat(199),
        'x'.repeat(200),
        'x'.repeat(201),
        `${'y'.repeat(1500)}/${'z'.repeat(1499)}`,
      ];
      const keys = names.map((name) => `tasks/t3/runs/0/artifacts/${name}`);
      for (const key of keys) expect(await store.create(key, key)).toBe('created');
      expect(new Set(await store.list('tasks/t3/runs/0/artifacts/'))).toEqual(new Set(keys));
      for (const key of keys) expect((await store.read(key))?.toString()).toBe(key);
    });

    test('removes one object, all below a prefix, and what is not there', async () => {
      const store = await open();
      await store.create('tasks/t4/task.json', '1');
      await store.create('tasks/t4/claims/0', '2');
      await store.create('tasks/t5/task.json', '3');
      await store.remove('tasks/t4/task.json');
      await store.remove('tasks/t4/task.json');
      expect(await store.list('tasks/t4/')).toEqual(['tasks/t4/claims/0']);
      await store.removeAll('tasks/t4/');
      await store.removeAll('tasks/t4/');
      expect(await store.list('tasks/t4/')).toEqual([]);
      expect((await store.read('tasks/t5/task.json'))?.toString()).toBe('3');
    });

    test('10 MiB in pieces read back with the same bytes', async () => {
      const store = await open();
      const pieces = Array.from({ length: 160 }, () => randomBytes(64 * 1024));
      async function* source() {
        yield* pieces;
      }
      await store.create('tasks/t6/runs/0/artifacts/big.bin', source());
      expect((await store.read('tasks/t6/runs/0/artifacts/big.bin'))?.equals(Buffer.concat(pieces))).toBe(true);
    });
  });
}
