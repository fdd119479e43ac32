import { expect, test } from 'vitest';
import { createQueue } from '../../../src/runner/queue.ts';

/** A queue whose runs end when they are told to, in the order in which they began. */
function openQueue(slots: number) {
  const begun: string[] = [];
  const ends: (() => void)[] = [];
  const seen = { made: 0, idle: 0 };
  const queue = createQueue(slots, () => seen.idle++);
  function* runs(name: string, count: number) {
    for (let n = 0; n < count; n++) {
      seen.made++;
      yield () =>
        new Promise<void>((resolve) => {
          begun.push(`${name}${n}`);
          ends.push(resolve);
        });
    }
  }
  const endNext = async () => {
    ends.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return {
    queue,
    begun,
    seen,
    endNext,
    add: (owner: string, name: string, count: number) => queue.add(owner, runs(name, count)),
  };
}

test('the runs of a task begin in order, as many at once as there are slots, and each is made when it has one', async () => {
  const { add, begun, seen, endNext, queue } = openQueue(3);
  add('alice', 'a', 1000);
  expect(begun).toEqual(['a0', 'a1', 'a2']);
  expect(seen.made).toBeLessThanOrEqual(4);
  for (let n = 0; n < 1000; n++) await endNext();
  expect(begun).toEqual(Array.from({ length: 1000 }, (_, n) => `a${n}`));
  expect({ idle: queue.idle, told: seen.idle }).toEqual({ idle: true, told: 1 });
});

test('a task of a thousand runs holds up neither another owner nor a small task of its own', async () => {
  const { add, begun, endNext } = openQueue(4);
  add('alice', 'big', 1000);
  add('alice', 'small', 1);
  add('bob', 'other', 1);
  for (let n = 0; n < 3; n++) await endNext();
  expect(begun).toContain('other0');
  expect(begun).toContain('small0');
});

test('owners take turns, and so do the tasks of one', async () => {
  const { add, begun, endNext } = openQueue(1);
  add('alice', 'a', 3);
  add('alice', 'b', 2);
  add('bob', 'c', 3);
  for (let n = 0; n < 8; n++) await endNext();
  // a1 was waiting before anything else had come.
  expect(begun).toEqual(['a0', 'a1', 'c0', 'b0', 'c1', 'a2', 'c2', 'b1']);
});

test('a task without runs is none', () => {
  const { add, queue } = openQueue(1);
  add('alice', 'a', 0);
  expect(queue.idle).toBe(true);
});
