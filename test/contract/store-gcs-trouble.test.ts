import { createHash, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createGcsStore } from '../../src/store/gcs/index.ts';
import { hasFakeGcs, startFakeGcs } from '../fakes/google/fake-gcs.ts';
import { type StorageServer, startStorageServer } from '../fakes/google/storage-server.ts';
import { type Odds, startTrouble, type Trouble } from '../fakes/google/trouble.ts';

const place = { project: 'test-project', bucket: 'yard' };

const mishaps = [
  'refused',
  'deniedAfterwards',
  'lostRequest',
  'halfRequest',
  'lostAnswer',
  'halfAnswer',
  'delayed',
] as const;

/** Of every hundred requests 35 come to harm, in every way there is. */
const odds: Odds = Object.fromEntries(mishaps.map((mishap) => [mishap, 0.05]));

const servers = {
  'a fake of our own': {
    start: async (): Promise<Server> => startStorageServer({ buckets: ['yard'] }),
    isThere: true,
  },
  'fake-gcs-server (needs Go, and "npm test" once, which builds it)': {
    start: async (): Promise<Server> => {
      const server = await startFakeGcs();
      await server.makeBucket('yard');
      return server;
    },
    isThere: hasFakeGcs,
  },
};

interface Server {
  readonly url: string;
  close(): Promise<void>;
}

for (const [name, { start, isThere }] of Object.entries(servers)) {
  describe.skipIf(!isThere)(`on ${name}, with requests that come to harm at random`, () => {
    let server: Server;
    let trouble: Trouble;
    beforeAll(async () => {
      server = await start();
      trouble = await startTrouble({ url: server.url, odds, seed: 20_261_121, delayMs: 20 });
    });
    afterAll(async () => {
      await trouble.close();
      await server.close();
    });

    const harmed = () => createGcsStore({ ...place, endpoint: trouble.url });
    const unharmed = () => createGcsStore({ ...place, endpoint: server.url });

    // Retries wait: on keys of their own, all at once.
    test.concurrent('prior C9a: what was acknowledged is there, and no one loses what is his alone', async () => {
      const store = harmed();
      const keys = Array.from({ length: 120 }, (_, n) => `tasks/t${n}/task.json`);
      const answers = await inBatches(keys, (key) => store.create(key, key));
      expect(new Set(answers)).toEqual(new Set(['created']));
      const found = await inBatches(keys, async (key) => (await unharmed().read(key))?.toString());
      expect(found).toEqual(keys);
      expect(trouble.counts.lostAnswer + trouble.counts.deniedAfterwards).toBeGreaterThan(5);
    });

    test.concurrent('of many creators exactly one wins and knows it, also where all write the same', async () => {
      const stores = [harmed(), harmed()];
      for (let round = 0; round < 6; round++) {
        const [differing, same] = [`tasks/t${round}/claims/0`, `tasks/t${round}/claims/1`];
        const writers = Array.from({ length: 12 }, (_, n) => `writer ${n}`);
        const answers = await Promise.all(writers.map((writer, n) => stores[n % 2]!.create(differing, writer)));
        expect(answers.filter((answer) => answer === 'created')).toHaveLength(1);
        expect((await unharmed().read(differing))?.toString()).toBe(writers[answers.indexOf('created')]);
        const alike = await Promise.all(writers.map((_, n) => stores[n % 2]!.create(same, '')));
        expect(alike.filter((answer) => answer === 'created')).toHaveLength(1);
      }
    });

    test.concurrent('what is read is whole and true, or known not to be there', async () => {
      const store = harmed();
      const objects = Array.from({ length: 40 }, (_, n) => ({ key: `meta/o${n}`, bytes: randomBytes(n * 1000) }));
      await inBatches(objects, ({ key, bytes }) => unharmed().create(key, bytes));
      const found = await inBatches(objects, ({ key }) => store.read(key));
      expect(found.every((bytes, n) => bytes?.equals(objects[n]!.bytes))).toBe(true);
      expect(await store.read('meta/none')).toBeUndefined();
      expect(await store.list('meta/')).toHaveLength(40);
      await store.removeAll('meta/');
      expect(await unharmed().list('meta/')).toEqual([]);
    });

    test('a read that meets nothing but 503 fails in our words, and the next one is answered', async () => {
      await unharmed().create('meta/one', 'one');
      trouble.become({ deniedAfterwards: 1 });
      const store = createGcsStore({ ...place, endpoint: trouble.url, patienceMs: 500 });
      await expect(store.read('meta/one')).rejects.toThrow(/bucket yard cannot be read at .*: Google answered 503\.$/);
      trouble.become({});
      expect((await store.read('meta/one'))?.toString()).toBe('one');
    });
  });
}

describe('a large object', () => {
  let server: StorageServer;
  let trouble: Trouble | undefined;
  beforeEach(async () => {
    server = await startStorageServer({ buckets: ['yard'] });
  });
  afterEach(async () => {
    await trouble?.close();
    await server.close();
  });

  const chunk = randomBytes(1024 * 1024);
  const chunkCount = 21;
  const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
  const whole = sha256(Buffer.concat(Array.from({ length: chunkCount }, () => chunk)));
  async function* source() {
    for (let n = 0; n < chunkCount; n++) yield chunk;
  }

  /** Begin, blocks, questions: every third of them. */
  test.each(mishaps)('survives %s in its middle', async (mishap) => {
    const fates = Array.from({ length: 12 }, (_, n) => (n % 3 === 0 ? mishap : 'passed'));
    trouble = await startTrouble({ url: server.url, odds: {}, seed: 1, fates });
    const store = createGcsStore({ ...place, endpoint: trouble.url });
    expect(await store.create('tasks/t/runs/0/artifacts/big', source())).toBe('created');
    expect(sha256(server.objects('yard').get('tasks/t/runs/0/artifacts/big')!.bytes)).toBe(whole);
    expect(trouble.counts[mishap]).toBeGreaterThan(1);
  });

  test('is held in memory by no more than two blocks of 8 MiB', async () => {
    let furthest = 0;
    let given = 0;
    async function* watched() {
      for await (const each of source()) {
        given += each.length;
        furthest = Math.max(furthest, given - server.uploads.storedBytes);
        yield each;
      }
    }
    expect(await createGcsStore({ ...place, endpoint: server.url }).create('meta/big', watched())).toBe('created');
    expect(given).toBe(chunkCount * chunk.length);
    expect(furthest).toBeLessThanOrEqual(2 * 8 * 1024 * 1024);
  });

  test('that exists changes nothing, is said to exist, and its source is read to the end', async () => {
    const store = createGcsStore({ ...place, endpoint: server.url });
    await store.create('meta/big', 'small');
    let ended = false;
    async function* watched() {
      yield* source();
      ended = true;
    }
    expect(await store.create('meta/big', watched())).toBe('exists');
    expect(ended).toBe(true);
    expect((await store.read('meta/big'))?.toString()).toBe('small');
  });

  test('of two that are sent at once one is created, and the other is told', async () => {
    const store = createGcsStore({ ...place, endpoint: server.url });
    const answers = await Promise.all([store.create('meta/big', source()), store.create('meta/big', source())]);
    expect(answers.sort()).toEqual(['created', 'exists']);
  });
});

test('a download that breaks off takes no other request with it', async () => {
  const asked: string[] = [];
  const server = createServer(async (request, response) => {
    const name = request.url!.includes('slow') ? 'slow' : 'cut';
    asked.push(name);
    response.writeHead(200, { 'content-length': '6' }).write('abc');
    await delay(name === 'slow' ? 400 : 50);
    if (name === 'slow' || asked.filter((each) => each === 'cut').length > 1) response.end('def');
    else request.socket.resetAndDestroy();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const store = createGcsStore({ ...place, endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
    const [slow, cut] = await Promise.all([store.read('slow'), store.read('cut')]);
    expect([slow?.toString(), cut?.toString()]).toEqual(['abcdef', 'abcdef']);
    expect(asked.sort()).toEqual(['cut', 'cut', 'slow']);
  } finally {
    server.close();
  }
});

async function inBatches<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const done: R[] = [];
  for (let at = 0; at < items.length; at += 20) done.push(...(await Promise.all(items.slice(at, at + 20).map(work))));
  return done;
}
