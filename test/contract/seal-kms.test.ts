import { inspect } from 'node:util';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { RunyardError } from '../../src/contracts/errors.ts';
import { createKmsSeal } from '../../src/seal/kms.ts';
import { unusedPort } from '../fakes/github-server.ts';
import { permissionDenied, serviceDisabled } from '../fakes/google/failure.ts';
import { type KmsServer, startKms } from '../fakes/google/kms.ts';
import type { Disturbance, GoogleFakeOptions } from '../fakes/google/server.ts';
import { sealContract } from './seal-suite.ts';

const ring = 'projects/a-project/locations/europe-west1/keyRings/runyard';
const key = `${ring}/cryptoKeys/tasks`;

async function kms(options: GoogleFakeOptions = {}): Promise<KmsServer> {
  const fake = await startKms(options);
  onTestFinished(fake.close);
  fake.addKey(key);
  return fake;
}

function sealAt({ url }: { url: string }, name = key, patienceMs = 20_000) {
  return createKmsSeal({ project: 'a-project', key: name, endpoint: url, patienceMs });
}

const shared: { fake?: Promise<KmsServer> } = {};
afterAll(async () => (await shared.fake)?.close());

async function sharedSeal(name: string) {
  shared.fake ??= startKms();
  const fake = await shared.fake;
  fake.addKey(`${ring}/cryptoKeys/${name}`);
  return sealAt(fake, `${ring}/cryptoKeys/${name}`);
}

sealContract(
  'the seal under a key of Cloud KMS',
  () => sharedSeal('tasks'),
  () => sharedSeal('other'),
);

const context = 'task_1';
const plain = Buffer.from('a very private text');

/** What the call was refused with; fails where it was not. */
async function refusal(work: Promise<unknown>): Promise<RunyardError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof RunyardError) return error;
  throw new Error(`not refused in our words: ${inspect(error)}`);
}

test('each seal is one call, with a data key of its own and every checksum; the payload never leaves', async () => {
  const fake = await kms();
  const seal = sealAt(fake);
  const sealed = [await seal.seal(plain, context), await seal.seal(plain, context)];
  expect((await seal.unseal(sealed[0]!, context)).equals(plain)).toBe(true);
  expect(fake.requests.map(({ url }) => url.split(/[:?]/)[1])).toEqual(['encrypt', 'encrypt', 'decrypt']);
  const [one, two, three] = fake.requests.map(({ body }) => JSON.parse(body));
  expect(Object.keys(one).sort()).toEqual([
    'additionalAuthenticatedData',
    'additionalAuthenticatedDataCrc32c',
    'plaintext',
    'plaintextCrc32c',
  ]);
  expect(Buffer.from(one.plaintext, 'base64')).toHaveLength(32);
  expect(one.plaintext).not.toBe(two.plaintext);
  expect(Buffer.from(one.additionalAuthenticatedData, 'base64').toString()).toBe(context);
  expect(three).toHaveProperty('ciphertextCrc32c');
});

test('what was sealed before a rotation is unsealed after it', async () => {
  const fake = await kms();
  const seal = sealAt(fake);
  const sealed = await seal.seal(plain, context);
  fake.rotate(key);
  expect((await seal.unseal(sealed, context)).equals(plain)).toBe(true);
});

describe('what passes is waited for', () => {
  const first = (disturbance: Disturbance, count = 1): GoogleFakeOptions => {
    const left = { count };
    return { disturb: () => (left.count-- > 0 ? disturbance : undefined) };
  };
  const swapped = (field: string) => (body: string) => body.replace(new RegExp(`"${field}": "..`), `"${field}": "zz`);

  test.each<[string, GoogleFakeOptions]>([
    ['too many requests', first({ kind: 'refuse', status: 429 }, 3)],
    ['a failing service', first({ kind: 'refuse', status: 500 }, 2)],
    ['a service that is away', first({ kind: 'refuse', status: 503 }, 2)],
    ['a connection that is cut', first({ kind: 'cut', carriedOut: true }, 2)],
    ['an answer that was changed on its way', first({ kind: 'damage', change: swapped('ciphertext') })],
    ['an answer whose end is missing', first({ kind: 'damage', change: (body) => body.slice(0, -20) })],
    ['a proxy that answers in HTML', first({ kind: 'damage', change: () => '<html>' })],
    [
      'an answer that does not confirm what was sent',
      first({ kind: 'damage', change: (body) => body.replace('"verifiedPlaintextCrc32c": true,', '') }),
    ],
  ])('%s', async (_, options) => {
    const fake = await kms(options);
    const seal = sealAt(fake);
    const sealed = await seal.seal(plain, context);
    expect(fake.requests.length).toBeGreaterThan(1);
    expect((await seal.unseal(sealed, context)).equals(plain)).toBe(true);
  });

  test('a request that was changed on its way is sent again', async () => {
    const left = { count: 1 };
    const fake = await kms({
      disturb: (request) => {
        if (left.count-- <= 0) return undefined;
        Object.assign(request, { body: request.body.replace(/"plaintext":"../, '"plaintext":"zz') });
        return undefined;
      },
    });
    await sealAt(fake).seal(plain, context);
    expect(fake.requests).toHaveLength(2);
  });

  test('but not for ever', async () => {
    const fake = await kms({ disturb: () => ({ kind: 'refuse', status: 503 }) });
    const startedAt = performance.now();
    const error = await refusal(sealAt(fake, key, 500).seal(plain, context));
    expect(error).toMatchObject({ code: 'backend_error', retryable: true });
    expect(error.message).toMatch(/^Cloud KMS answered 503/);
    // Its usual patience is twice as long.
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    const silent = await refusal(
      sealAt({ url: `http://127.0.0.1:${await unusedPort()}` }, key, 300).seal(plain, context),
    );
    expect(silent.message).toMatch(/^Cloud KMS did not answer/);
  });
});

describe('what does not pass is told at once: what happened, to what, what to do next', () => {
  const sealed = async (seal: ReturnType<typeof sealAt>) => seal.seal(plain, context);

  test('C1: a process that may not decrypt is told which permission it lacks, and who it is', async () => {
    const fake = await kms({ authorize: ({ permission }) => permission.endsWith('useToEncrypt') });
    const seal = sealAt(fake);
    const error = await refusal(seal.unseal(await sealed(seal), context));
    expect(error.message).toBe(
      `The sealing key ${key} may not be used: the account of this process lacks the permission ` +
        'cloudkms.cryptoKeyVersions.useToDecrypt on it, or the key does not exist.',
    );
    expect(error.hint).toContain('grant roles/cloudkms.cryptoKeyDecrypter');
    expect(error.retryable).toBe(false);
    expect(fake.requests).toHaveLength(2);
  });

  test.each<[string, (fake: KmsServer) => void, RegExp, RegExp]>([
    [
      'a disabled version',
      (fake) => fake.setState(key, 1, 'DISABLED'),
      new RegExp(`^Version 1 of the sealing key ${key} is disabled`),
      new RegExp(`versions enable 1 --key ${key}`),
    ],
    [
      'a version that will be destroyed',
      (fake) => fake.setState(key, 1, 'DESTROY_SCHEDULED'),
      /is about to be destroyed/,
      /versions restore 1/,
    ],
    ['a destroyed version', (fake) => fake.setState(key, 1, 'DESTROYED'), /is destroyed/, /submit those tasks anew/],
  ])('%s, at unsealing and at sealing', async (_, change, message, hint) => {
    const fake = await kms();
    const seal = sealAt(fake);
    const bytes = await sealed(seal);
    change(fake);
    for (const work of [seal.unseal(bytes, context), seal.seal(plain, context)]) {
      const error = await refusal(work);
      expect(error).toMatchObject({ code: 'backend_error', retryable: false });
      expect(error.message).toMatch(message);
      expect(error.hint).toMatch(hint);
    }
    expect(fake.requests).toHaveLength(3);
  });

  test('a key that is not there', async () => {
    const fake = await kms();
    const error = await refusal(sealAt(fake, `${key}-2`).seal(plain, context));
    expect(error.message).toBe(`The sealing key ${key}-2 does not exist.`);
    expect(error.hint).toMatch(/"runyard deploy".*RUNYARD_KMS_KEY/);
  });

  test('an API that is off, and a denial that names another permission', async () => {
    const failures = [
      serviceDisabled('cloudkms.googleapis.com', 'a-project'),
      permissionDenied('cloudkms.cryptoKeys.get', key, 'cloudkms.googleapis.com'),
    ];
    const fake = await kms({ disturb: () => ({ kind: 'fail', failure: failures[fake.requests.length - 1]! }) });
    expect((await refusal(sealAt(fake).seal(plain, context))).message).toMatch(/^The API cloudkms.* is switched off/);
    expect((await refusal(sealAt(fake).seal(plain, context))).message).toContain('cloudkms.cryptoKeys.get');
  });

  test('bytes of another seal, and a header that was made longer', async () => {
    const fake = await kms();
    const seal = sealAt(fake);
    const bytes = await sealed(seal);
    const longer = Buffer.from(bytes);
    longer.writeUInt16BE(0xffff, 4);
    for (const wrong of [Buffer.from('RYS1 of the key file'), longer]) {
      const error = await refusal(seal.unseal(wrong, context));
      expect(error).toMatchObject({ code: 'backend_error', message: expect.stringContaining('cannot be opened') });
      expect(error.hint).toContain('RUNYARD_KMS_KEY');
    }
  });
});

test('neither the data key nor what was sealed shows in an error, however the answer is broken', async () => {
  const fake = await kms({
    disturb: ({ url }) =>
      url.includes(':decrypt')
        ? { kind: 'damage', change: (body) => body.replace('"plaintext": "', '"plaintext": x"') }
        : undefined,
  });
  const seal = sealAt(fake, key, 300);
  const bytes = await seal.seal(plain, context);
  const dataKey: string = JSON.parse(fake.requests[0]!.body).plaintext;
  const shown = inspect(await refusal(seal.unseal(bytes, context)), { depth: 10, showHidden: true });
  for (let at = 0; at + 6 <= dataKey.length; at++) expect(shown).not.toContain(dataKey.slice(at, at + 6));
  expect(shown).not.toContain(plain.toString());
});
