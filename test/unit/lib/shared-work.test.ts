import { expect, test } from 'vitest';
import { createSharedWork } from '../../../src/lib/shared-work.ts';

const never = new AbortController().signal;

test('who comes while it is under way waits for the same work', async () => {
  const share = createSharedWork<number>();
  const work = Promise.withResolvers<number>();
  const begun: string[] = [];
  const begin = (name: string) => () => {
    begun.push(name);
    return work.promise;
  };
  const outcomes = [share('a', begin('first'), never), share('a', begin('second'), never)];
  work.resolve(1);
  expect(await Promise.all(outcomes)).toEqual([1, 1]);
  expect(await share('a', begin('third'), never)).toBe(1);
  expect(begun).toEqual(['first', 'third']);
});

test('one who leaves takes nobody along; the work ends with the last one', async () => {
  const share = createSharedWork<number>();
  const [first, second] = [new AbortController(), new AbortController()];
  const state: { stop?: AbortSignal } = {};
  const work = (stop: AbortSignal) => {
    state.stop = stop;
    return new Promise<number>((_, reject) => stop.addEventListener('abort', () => reject(new Error('ended'))));
  };
  const leaving = share('a', work, first.signal);
  const staying = share('a', work, second.signal);
  first.abort(new Error('had enough'));
  await expect(leaving).rejects.toThrow('had enough');
  expect(state.stop?.aborted).toBe(false);
  second.abort(new Error('had enough too'));
  await expect(staying).rejects.toThrow('had enough too');
  expect(state.stop?.aborted).toBe(true);
  // What is ending is nobody's to wait for.
  expect(await share('a', async () => 2, never)).toBe(2);
});
