import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { createGcsStore } from '../../src/store/gcs/index.ts';
import { type MetadataServer, startMetadataServer } from '../fakes/google/metadata.ts';
import { type StorageServer, startStorageServer } from '../fakes/google/storage-server.ts';

const email = 'server@test-project.iam.gserviceaccount.com';
const hasOpenssl = spawnSync('openssl', ['version']).status === 0;

describe.skipIf(!hasOpenssl)('a custom https endpoint (needs openssl for a certificate)', () => {
  const folder = mkdtempSync(join(tmpdir(), 'runyard-tls-'));
  let server: StorageServer;
  let metadata: MetadataServer;

  beforeAll(async () => {
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const subject = ['-subj', '/CN=127.0.0.1', '-days', '1', '-nodes', '-newkey', 'ec', '-pkeyopt'];
    const made = [...subject, 'ec_paramgen_curve:prime256v1', '-keyout', key, '-out', cert];
    execFileSync('openssl', ['req', '-x509', ...made], { stdio: 'ignore' });
    metadata = await startMetadataServer({ project: 'test-project', email });
    server = await startStorageServer({
      buckets: ['yard'],
      tls: { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') },
      accountOf: (token) => (metadata.gave(token) ? email : undefined),
      authorize: ({ token }) => token !== undefined,
    });
  });

  afterAll(async () => {
    await server.close();
    await metadata.close();
    rmSync(folder, { recursive: true });
  });

  beforeEach(() => {
    // What the machine of whoever runs the tests is logged in to is none of their business.
    vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', '');
    vi.stubEnv('CLOUDSDK_CONFIG', folder);
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
  });

  afterEach(() => {
    vi.unstubAllEnvs();
  });

  const open = () =>
    createGcsStore({ project: 'test-project', bucket: 'yard', endpoint: server.url, patienceMs: 1000 });

  async function* large() {
    for (let n = 0; n < 9; n++) yield Buffer.alloc(1024 * 1024, n);
  }

  test('without credentials is told as that', async () => {
    vi.stubEnv('METADATA_SERVER_DETECTION', 'none');
    for (const data of ['x', large()]) {
      await expect(open().create('meta/x', data)).rejects.toMatchObject({
        message: 'There are no Google credentials for the bucket yard.',
        hint: expect.stringContaining('gcloud auth application-default login'),
        retryable: false,
      });
    }
  });

  test('is spoken with the default ones, in every request', async () => {
    vi.stubEnv('METADATA_SERVER_DETECTION', 'assume-present');
    vi.stubEnv('GCE_METADATA_HOST', metadata.host);
    const before = server.requests.length;
    const store = open();
    expect(await store.create('meta/small', 'small')).toBe('created');
    expect(await store.create('meta/large', large())).toBe('created');
    expect((await store.read('meta/large'))?.length).toBe(9 * 1024 * 1024);
    expect(await store.list('meta/')).toEqual(['meta/large', 'meta/small']);
    await store.removeAll('meta/');
    const shown = server.requests.slice(before).map(({ token }) => token);
    expect(shown.length).toBe(9);
    expect(shown.every((token) => token !== undefined && metadata.gave(token))).toBe(true);
  });
});
