import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { AccessExpired, asRunyardError, type RunyardError } from '../../src/contracts/errors.ts';
import { crc32cBase64 } from '../../src/lib/crc32c.ts';
import { createGcsStore, type GcsStoreOptions } from '../../src/store/gcs/index.ts';
import type { Authorize } from '../fakes/google/server.ts';
import { type StorageServer, type StorageServerOptions, startStorageServer } from '../fakes/google/storage-server.ts';
import { startTrouble } from '../fakes/google/trouble.ts';

const place = { project: 'test-project', bucket: 'yard', patienceMs: 300 };
const opened: { close(): Promise<unknown> }[] = [];

afterEach(async () => {
  for (const each of opened.splice(0).reverse()) await each.close();
});

async function start(options: Partial<StorageServerOptions> = {}): Promise<StorageServer> {
  const server = await startStorageServer({ buckets: ['yard'], ...options });
  opened.push(server);
  return server;
}

function storeAt(url: string, more: Partial<GcsStoreOptions> = {}) {
  return createGcsStore({ ...place, endpoint: url, ...more });
}

async function refusalOf(work: Promise<unknown>): Promise<RunyardError> {
  return work.then(
    () => expect.fail('this was not refused'),
    (error: unknown) => asRunyardError(error),
  );
}

const large = async function* () {
  for (let n = 0; n < 9; n++) yield randomBytes(1024 * 1024);
};

describe('what is wrong is said in a sentence', () => {
  test('the bucket does not exist', async () => {
    const store = storeAt((await start()).url, { bucket: 'elsewhere' });
    const works = [
      store.create('meta/x', 'x'),
      store.create('meta/x', large()),
      store.read('meta/x'),
      store.list('meta/'),
      store.removeAll('meta/'),
    ];
    for (const error of await Promise.all(works.map(refusalOf))) {
      expect(error).toMatchObject({
        code: 'backend_error',
        message: 'The bucket elsewhere does not exist.',
        hint: expect.stringContaining('runyard deploy'),
        retryable: false,
      });
    }
  });

  test('C1: a permission is missing: which one, whose, on what', async () => {
    const server = await start({ authorize: () => false, withoutToken: 'runner@test-project.iam.gserviceaccount.com' });
    const store = storeAt(server.url);
    const wanting: [() => Promise<unknown>, string][] = [
      [() => store.create('meta/x', 'x'), 'storage.objects.create'],
      [() => store.create('meta/x', large()), 'storage.objects.create'],
      [() => store.read('meta/x'), 'storage.objects.get'],
      [() => store.list('meta/'), 'storage.objects.list'],
      [() => store.remove('meta/x'), 'storage.objects.delete'],
    ];
    for (const [work, permission] of wanting) {
      const error = await refusalOf(work());
      expect(error.message).toBe(`runner@test-project.iam.gserviceaccount.com lacks ${permission} on the bucket yard.`);
      expect(error).toMatchObject({ code: 'backend_error', retryable: false });
    }
  });

  test('credentials that Google does not take', async () => {
    const store = storeAt((await start({ authorize: () => false })).url);
    const error = await refusalOf(store.create('meta/x', 'x'));
    expect(error.message).toBe('Google does not take the credentials for the bucket yard.');
  });

  test('nothing answers there', async () => {
    const server = await startStorageServer({ buckets: ['yard'] });
    await server.close();
    const error = await refusalOf(storeAt(server.url).create('meta/x', 'x'));
    expect(error.message).toBe(`The bucket yard cannot be written at ${server.url}: connection refused.`);
    expect(error).toMatchObject({ code: 'backend_error', retryable: true });
  });

  test('what answers hangs', async () => {
    const silent = await listening(createServer());
    const store = storeAt(silent, { attemptTimeoutMs: 200 });
    const works = [store.create('meta/x', 'x'), store.create('meta/x', large()), store.list('meta/')];
    for (const error of await Promise.all(works.map(refusalOf)))
      expect(error.message).toContain('no answer came in time');
    expect((await refusalOf(store.read('meta/x'))).message).toContain('no more bytes came');
  });

  test('what answers is no Cloud Storage', async () => {
    const web = await listening(createServer((_, response) => response.end('<html>Welcome</html>')));
    expect((await refusalOf(storeAt(web).list('meta/'))).message).toMatch(/^The bucket yard cannot be read at http/);
  });

  test('an object that was damaged', async () => {
    const server = await start();
    const store = storeAt(server.url);
    await store.create('meta/x', 'true');
    server.objects('yard').get('meta/x')!.bytes = Buffer.from('fake');
    expect((await refusalOf(store.read('meta/x'))).message).toContain('not those that were stored');
  });

  test("an environment that leads Google's client astray", async () => {
    vi.stubEnv('STORAGE_EMULATOR_HOST', 'http://127.0.0.1:9');
    try {
      const error = await refusalOf(storeAt((await start()).url).read('meta/x'));
      expect(error.hint).toContain('Unset STORAGE_EMULATOR_HOST');
    } finally {
      vi.unstubAllEnvs();
    }
  });
});

describe('C1: an account that may only create', () => {
  const onlyCreates: Authorize = ({ permission }) => permission === 'storage.objects.create';

  test.each([false, true])('is told what exists, whatever Google looks at first (%s)', async (deniesOverwriteFirst) => {
    const server = await start({ authorize: onlyCreates, withoutToken: 'runner@example.com', deniesOverwriteFirst });
    const store = storeAt(server.url);
    expect(await store.create('tasks/t/claims/0', 'first')).toBe('created');
    expect(await store.create('tasks/t/claims/0', 'second')).toBe('exists');
    expect(await store.create('tasks/t/claims/0', large())).toBe('exists');
    expect(server.objects('yard').get('tasks/t/claims/0')!.bytes.toString()).toBe('first');
  });

  test('creates large objects too, and never asks for more than it may', async () => {
    const refused: string[] = [];
    const authorize: Authorize = (act) => {
      if (!onlyCreates(act)) refused.push(act.permission);
      return onlyCreates(act);
    };
    const server = await start({ authorize, withoutToken: 'runner@example.com' });
    expect(await storeAt(server.url).create('tasks/t/runs/0/artifacts/big', large())).toBe('created');
    expect(refused).toEqual([]);
  });
});

describe('C1: with a token for reading one task', () => {
  const token = 'ya29.of-one-task';
  let isOver = false;

  /** The account creates under `tasks/`, the token reads what is under `tasks/t/`; nobody lists. */
  const authorize: Authorize = ({ token: shown, permission, resource }) =>
    shown === undefined
      ? permission === 'storage.objects.create'
      : permission === 'storage.objects.get' && resource.startsWith('projects/_/buckets/yard/objects/tasks/t/');

  const startForTask = () => {
    isOver = false;
    const accountOf = (shown: string) => (shown === token && !isOver ? 'server@example.com' : undefined);
    return start({ authorize, accountOf, withoutToken: 'runner@example.com' });
  };

  test('reads go with it and creates without', async () => {
    const server = await startForTask();
    const store = storeAt(server.url, { readToken: token });
    await store.create('tasks/t/task.json', '{}');
    expect((await store.read('tasks/t/task.json'))?.toString()).toBe('{}');
    expect(server.requests.map(({ method, token: shown }) => [method, shown])).toEqual([
      ['POST', undefined],
      ['GET', token],
    ]);
  });

  test('"forbidden" means absent once something was read, and before that what it says', async () => {
    const store = storeAt((await startForTask()).url, { readToken: token });
    await store.create('tasks/t/task.json', '{}');
    const before = await refusalOf(store.read('tasks/t/cancel'));
    expect(before).toMatchObject({ code: 'forbidden', message: expect.stringContaining('for something else') });
    await store.read('tasks/t/task.json');
    expect(await store.read('tasks/t/cancel')).toBeUndefined();
    expect(await refusalOf(store.list('tasks/t/'))).toMatchObject({ code: 'forbidden' });
  });

  test('what the account reads itself goes without it, and "may not list" means absent there', async () => {
    const inputs = 'projects/_/buckets/yard/objects/inputs/';
    let mayRead = true;
    const server = await start({
      authorize: ({ token: shown, permission, resource }) =>
        mayRead && shown === undefined && permission === 'storage.objects.get' && resource.startsWith(inputs),
      accountOf: (shown) => (shown === token ? 'server@example.com' : undefined),
      withoutToken: 'runner@example.com',
    });
    const stored = { name: 'inputs/a', generation: '1', crc32c: crc32cBase64(Buffer.from('x')), md5Hash: '' };
    const more = { timeCreated: '', contentType: 'text/plain', bytes: Buffer.from('x') };
    server.objects('yard').set('inputs/a', { ...stored, ...more });
    const store = storeAt(server.url, { readToken: token, ownReads: 'inputs/' });
    expect((await store.read('inputs/a'))?.toString()).toBe('x');
    expect(await store.read('inputs/b')).toBeUndefined();
    expect(await refusalOf(store.read('tasks/t/task.json'))).toMatchObject({ code: 'forbidden' });
    mayRead = false;
    expect((await refusalOf(store.read('inputs/a'))).message).toBe(
      'runner@example.com lacks storage.objects.get on the bucket yard.',
    );
    expect(server.requests.map(({ token: shown }) => shown)).toEqual([undefined, undefined, token, undefined]);
  });

  test('one that has ended is told from everything else, and stands in no error', async () => {
    const server = await startForTask();
    const store = storeAt(server.url, { readToken: token });
    await store.create('tasks/t/task.json', '{}');
    isOver = true;
    const error = await refusalOf(store.read('tasks/t/task.json'));
    expect(error).toBeInstanceOf(AccessExpired);
    expect(error.code).toBe('backend_error');
    expect(inspect(error, { depth: 20, showHidden: true })).not.toContain(token);
  });

  test('a create whose answer was lost is settled with it; where it has ended, "exists" is what is known', async () => {
    const server = await startForTask();
    const trouble = await startTrouble({ url: server.url, odds: {}, seed: 1 });
    opened.push(trouble);
    const store = storeAt(trouble.url, { readToken: token, patienceMs: 5000 });
    const createWithLostAnswer = async (key: string) => {
      const before = trouble.counts.lostAnswer;
      trouble.become({ lostAnswer: 1 });
      const outcome = store.create(key, 'mine');
      await vi.waitUntil(() => trouble.counts.lostAnswer > before, { interval: 5, timeout: 20_000 });
      trouble.become({});
      return outcome;
    };
    expect(await createWithLostAnswer('tasks/t/claims/0')).toBe('created');
    isOver = true;
    expect(await createWithLostAnswer('tasks/t/claims/1')).toBe('exists');
  });
});

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  opened.push({
    async close() {
      server.closeAllConnections();
      server.close();
    },
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
