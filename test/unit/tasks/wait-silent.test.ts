import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { claimed, createBench, launchedTask, owner } from './bench.ts';

const never = new AbortController().signal;
const caller = { owner };

describe('a backend that does not answer holds up nobody', () => {
  const silent = async () => {
    const bench = createBench();
    onTestFinished(() => bench.remove());
    bench.far.inspect = () => new Promise(() => {});
    const record = await launchedTask(bench.store, { ageMs: 60_000 });
    await claimed(bench.store, record, 0);
    return { bench, record };
  };

  test('beyond the deadline of a wait', async () => {
    const { bench, record } = await silent();
    const view = await bench.tasks.wait(record.id, caller, { waitMs: 300, signal: never });
    expect(view.status).toBe('running');
  });

  test('who does not wait any more', async () => {
    const { bench, record } = await silent();
    const stop = new AbortController();
    const wait = bench.tasks.wait(record.id, caller, { waitMs: 50_000, signal: stop.signal });
    await pause(200);
    stop.abort();
    expect((await wait).status).toBe('running');
  });
});
