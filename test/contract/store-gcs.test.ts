import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Store } from '../../src/contracts/store.ts';
import { createGcsStore } from '../../src/store/gcs/index.ts';
import { type FakeGcs, hasFakeGcs, startFakeGcs } from '../fakes/google/fake-gcs.ts';
import { type StorageServer, startStorageServer } from '../fakes/google/storage-server.ts';
import { storeContract } from './store-suite.ts';

const project = 'test-project';

describe.skipIf(!hasFakeGcs)('on fake-gcs-server (needs Go, and "npm test" once, which builds it)', () => {
  let server: FakeGcs;
  let count = 0;
  beforeAll(async () => {
    server = await startFakeGcs();
  });
  afterAll(() => server.close());
  beforeEach(() => server.makeBucket(`yard-${++count}`));

  const open = async () => createGcsStore({ project, bucket: `yard-${count}`, endpoint: server.url });
  storeContract('the store on Cloud Storage', open);
  listsMore(open);
});

describe('on a fake of our own, which is stricter', () => {
  let server: StorageServer;
  beforeAll(async () => {
    server = await startStorageServer({ buckets: ['yard'], pageKeysMax: 7 });
  });
  afterAll(() => server.close());
  beforeEach(() => server.objects('yard').clear());

  const open = async () => createGcsStore({ project, bucket: 'yard', endpoint: server.url });
  storeContract('the store on Cloud Storage', open);
  listsMore(open);
});

/** What only a store that lists in pages can get wrong. */
function listsMore(open: () => Promise<Store>): void {
  test('lists more than a page, from any key on, and removes all of it', async () => {
    const store = await open();
    const keys = Array.from({ length: 1100 }, (_, n) => `tasks/many/results/${String(n).padStart(4, '0')}.json`);
    await inBatches(keys, (key) => store.create(key, ''));
    expect(await store.list('tasks/many/')).toEqual(keys);
    expect(await store.list('tasks/many/', { after: keys[1049]! })).toEqual(keys.slice(1050));
    expect(await store.list('tasks/many/', { after: keys[9]!, limit: 1020 })).toEqual(keys.slice(10, 1030));
    await store.removeAll('tasks/many/');
    expect(await store.list('tasks/many/')).toEqual([]);
  });
}

async function inBatches<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  for (let at = 0; at < items.length; at += 50) await Promise.all(items.slice(at, at + 50).map(work));
}
