import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KeyManagementServiceClient } from '@google-cloud/kms';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { clientOptions } from '../../src/lib/google.ts';
import { accountOf } from '../../src/lib/google-trouble.ts';
import { createKmsSeal } from '../../src/seal/kms.ts';
import { createSecretManagerSecrets } from '../../src/secrets/secret-manager.ts';
import { contention } from '../bench/load.ts';
import { startKms } from '../fakes/google/kms.ts';
import { startMetadataServer } from '../fakes/google/metadata.ts';

/** Who this process is to Google, and what is said where it is nobody. */

const google = { project: 'a-project', endpoint: undefined };
const key = 'projects/a-project/locations/l/keyRings/r/cryptoKeys/k';
const email = 'server@a-project.iam.gserviceaccount.com';

beforeEach(() => {
  vi.stubEnv('METADATA_SERVER_DETECTION', 'none');
  vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', undefined);
  vi.stubEnv('CLOUDSDK_CONFIG', '/nonexistent');
  vi.stubEnv('HOME', '/nonexistent');
});
afterEach(() => vi.unstubAllEnvs());

test('the generated clients go with the token of the machine', async () => {
  const metadata = await startMetadataServer({ project: 'a-project', email });
  const kms = await startKms({ authorize: ({ token = '' }) => metadata.gave(token) });
  onTestFinished(metadata.close);
  onTestFinished(kms.close);
  kms.addKey(key);
  // As for Google itself, but for the place.
  const { hostname: apiEndpoint, port } = new URL(kms.url);
  const place = { apiEndpoint, port: Number(port), protocol: 'http' };
  const client = new KeyManagementServiceClient({ ...(await clientOptions(google)), ...place });
  vi.stubEnv('GCE_METADATA_HOST', metadata.host);
  vi.stubEnv('METADATA_SERVER_DETECTION', 'assume-present');
  const [{ name }] = await client.encrypt({ name: key, plaintext: Buffer.from('x') }, { timeout: 5000, retry: null });
  expect(name).toBe(`${key}/cryptoKeyVersions/1`);
});

describe('whom a denial is about', () => {
  test('the account of the machine', async () => {
    const metadata = await startMetadataServer({ project: 'a-project', email });
    onTestFinished(metadata.close);
    vi.stubEnv('GCE_METADATA_HOST', metadata.host);
    vi.stubEnv('METADATA_SERVER_DETECTION', 'assume-present');
    expect(await accountOf(google)).toBe(email);
  });

  test('the account of a key file', async () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const privatePem = String(privateKey.export({ type: 'pkcs8', format: 'pem' }));
    const dir = mkdtempSync(join(tmpdir(), 'runyard-key-'));
    onTestFinished(() => rmSync(dir, { recursive: true }));
    const file = join(dir, 'key.json');
    writeFileSync(file, JSON.stringify({ type: 'service_account', client_email: email, private_key: privatePem }));
    vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', file);
    expect(await accountOf(google)).toBe(email);
  });

  test.each([
    ['an emulator is asked without credentials', 'http://127.0.0.1:1'],
    ['there are no credentials', undefined],
  ])('nobody by name where %s', async (_, endpoint) => {
    expect(await accountOf({ ...google, endpoint })).toBe('the account of this process');
  });
});

describe('a process without credentials is told so at once', () => {
  // An https endpoint is spoken to with the default credentials; nothing listens there.
  const endpoint = 'https://127.0.0.1:1';
  const missing = {
    message: expect.stringContaining('Google takes no credential of this process'),
    hint: expect.stringContaining('gcloud auth application-default login'),
    retryable: false,
  };

  test.each([
    ['none at all', undefined],
    ['a key file that is not there', '/nonexistent/key.json'],
  ])('%s', async (_, keyFile) => {
    vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', keyFile);
    const busy = contention();
    const startedAt = performance.now();
    const seal = createKmsSeal({ project: 'a-project', key, endpoint });
    await expect(seal.seal(Buffer.from('x'), 'task_1')).rejects.toMatchObject({ code: 'backend_error', ...missing });
    const secrets = createSecretManagerSecrets({ project: 'a-project', endpoint });
    await expect(secrets.read('secret-manager:x', new AbortController().signal)).rejects.toMatchObject({
      code: 'secret_unavailable',
      ...missing,
    });
    // Two clients are loaded here; whoever tried again would do so for 15 s.
    expect(performance.now() - startedAt).toBeLessThan(5000 * Math.max(busy, contention()));
  });
});
