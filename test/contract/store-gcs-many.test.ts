import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { createGcsStore } from '../../src/store/gcs/index.ts';

/** A bucket whose objects hold their own names. It answers nobody before `open`; to the first who ask it is late. */
async function openBucket({ lateTo = 0, lateMs = 0, open = Promise.resolve() } = {}) {
  const seen = { names: [] as string[], underWay: 0, most: 0 };
  const server = createServer(async (request, response) => {
    const name = /\/o\/([^?]+)/.exec(request.url ?? '')?.[1] ?? '';
    seen.names.push(name);
    seen.most = Math.max(seen.most, ++seen.underWay);
    const isLate = seen.names.length <= lateTo;
    await open;
    await delay(isLate ? lateMs : 1);
    seen.underWay--;
    response.end(name);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { seen, endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

const place = { project: 'test-project', bucket: 'yard' };
const atOnce = 64;
const numbers = Array.from({ length: 1000 }, (_, n) => n);

test('of a thousand requests at once 64 are under way, and they begin in the order of asking', async () => {
  const opening = Promise.withResolvers<void>();
  const { seen, endpoint } = await openBucket({ open: opening.promise });
  const store = createGcsStore({ ...place, endpoint });
  const reads = Promise.all(numbers.map(async (n) => String(await store.read(`o${n}`))));
  await expect.poll(() => seen.underWay).toBe(atOnce);
  await delay(200);
  opening.resolve();
  const read = await reads;
  expect(read).toEqual(numbers.map((n) => `o${n}`));
  expect(seen.names).toHaveLength(numbers.length);
  expect(seen.most).toBe(atOnce);
  // Those under way may arrive in any order.
  const places = seen.names.map((name, at) => Math.abs(Number(name.slice(1)) - at));
  expect(Math.max(...places)).toBeLessThan(2 * atOnce);
});

test('a request that is not answered in time gives its place away, and its late answer harms nobody', async () => {
  const { seen, endpoint } = await openBucket({ lateTo: atOnce, lateMs: 1500 });
  const store = createGcsStore({ ...place, endpoint, attemptTimeoutMs: 300, patienceMs: 30_000 });
  const read = await Promise.all(numbers.slice(0, 100).map(async (n) => String(await store.read(`o${n}`))));
  expect(read).toEqual(numbers.slice(0, 100).map((n) => `o${n}`));
  expect(seen.names.length).toBeGreaterThan(100);
  // What Google's client throws outside of any promise fails the whole file.
  await expect.poll(() => seen.underWay).toBe(0);
});
