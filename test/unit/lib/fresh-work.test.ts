import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createFreshWork } from '../../../src/lib/fresh-work.ts';

const never = new AbortController().signal;

test('who comes once it has begun gets what was there when they came; all of these share one work', async () => {
  const fresh = createFreshWork<string>();
  const state = { content: 'old', begun: 0 };
  const held = Promise.withResolvers<void>();
  const work = async () => {
    state.begun += 1;
    const { content } = state;
    await held.promise;
    return content;
  };
  const early = [fresh('a', work, never), fresh('a', work, never)];
  await turnOfTheLoop();
  state.content = 'new';
  const late = [fresh('a', work, never), fresh('a', work, never)];
  await turnOfTheLoop();
  expect(state.begun).toBe(1);
  held.resolve();
  expect(await Promise.all([...early, ...late])).toEqual(['old', 'old', 'new', 'new']);
  expect(state.begun).toBe(2);
  state.content = 'newest';
  expect(await fresh('a', work, never)).toBe('newest');
});

test('a work that fails, or that everybody has left, holds up nobody who comes after it', async () => {
  const fresh = createFreshWork<number>();
  const failing = fresh('a', () => Promise.reject(new Error('broken')), never);
  const next = turnOfTheLoop().then(() => fresh('a', async () => 1, never));
  await expect(failing).rejects.toThrow('broken');
  expect(await next).toBe(1);

  const leaving = new AbortController();
  const heeding = (stop: AbortSignal) =>
    new Promise<number>((_, reject) => stop.addEventListener('abort', () => reject(new Error('ended'))));
  const left = fresh('a', heeding, leaving.signal);
  await turnOfTheLoop();
  const waiting = fresh('a', async () => 2, never);
  leaving.abort(new Error('had enough'));
  await expect(left).rejects.toThrow('had enough');
  expect(await waiting).toBe(2);
});
