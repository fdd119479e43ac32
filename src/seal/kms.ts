import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { Seal } from '../contracts/seal.ts';
import { crc32c } from '../lib/crc32c.ts';
import { clientOptions, patiently, TransientError } from '../lib/google.ts';
import { once } from '../lib/once.ts';
import { bufferOf, decrypt, encrypt, keyBytes } from './envelope.ts';
import { inWords, type KmsAct, notOurs } from './kms-failures.ts';

export interface KmsSealOptions {
  readonly project: string;
  /** `projects/P/locations/L/keyRings/R/cryptoKeys/K`; its primary version seals, any enabled one unseals. */
  readonly key: string;
  /** Google's own where undefined. */
  readonly endpoint: string | undefined;
  /** How long what may pass is tried again; 20 s where not given. */
  readonly patienceMs?: number;
}

/** Before the wrapped data key, whose length in two bytes follows. */
const version = Buffer.from('RYK1');
const headBytes = version.length + 2;
const attemptTimeoutMs = 10_000;

/**
 * Envelope encryption under a key of Cloud KMS: a fresh data key for every object, wrapped by KMS, both with the context
 * as additional data. One call to KMS seals or unseals; no key is kept. Throws `backend_error`: what to do next.
 */
export function createKmsSeal({ patienceMs = 20_000, ...place }: KmsSealOptions): Seal {
  const client = once(async () => {
    const { KeyManagementServiceClient } = await import('@google-cloud/kms');
    return new KeyManagementServiceClient(await clientOptions(place));
  });

  /** Everything that may pass is tried again here, and by the client not at all: it would go on for ten minutes. */
  const asking = async <T>(act: KmsAct, context: string, ask: (client: Client) => Promise<T>): Promise<T> => {
    const kms = await client();
    try {
      return await patiently(() => ask(kms).catch(retryDamaged), { withinMs: patienceMs });
    } catch (error) {
      throw await inWords(error, { act, context, ...place });
    }
  };

  return {
    async seal(plain, context) {
      const dataKey = randomBytes(keyBytes);
      const wrapped = await asking('seal', context, (kms) => wrap(kms, place.key, dataKey, context));
      const length = Buffer.alloc(2);
      length.writeUInt16BE(wrapped.length);
      return Buffer.concat([version, length, wrapped, encrypt(dataKey, plain, context)]);
    },

    async unseal(sealed, context) {
      const bytes = bufferOf(sealed);
      if (bytes.length <= headBytes || !bytes.subarray(0, version.length).equals(version)) throw notOurs(context);
      const end = headBytes + bytes.readUInt16BE(version.length);
      const wrapped = bytes.subarray(headBytes, end);
      const dataKey = await asking('unseal', context, (kms) => unwrap(kms, place.key, wrapped, context));
      try {
        return decrypt(dataKey, bytes.subarray(end), context);
      } catch (error) {
        throw notOurs(context, error);
      }
    },
  };
}

// --- Internal helpers ---

type Client = InstanceType<typeof import('@google-cloud/kms')['KeyManagementServiceClient']>;

const oneTry = { timeout: attemptTimeoutMs, retry: null };

/** What Google says that it got is what was sent, and what came is what Google sent. */
const encryptAnswer = z.object({
  ciphertext: z.instanceof(Uint8Array),
  ciphertextCrc32c: z.object({ value: z.coerce.number() }),
  verifiedPlaintextCrc32c: z.literal(true),
  verifiedAdditionalAuthenticatedDataCrc32c: z.literal(true),
});

async function wrap(kms: Client, name: string, dataKey: Buffer, context: string): Promise<Buffer> {
  const [answer] = await kms.encrypt(
    { name, plaintext: dataKey, plaintextCrc32c: { value: crc32c(dataKey) }, ...additionalData(context) },
    oneTry,
  );
  const parsed = encryptAnswer.safeParse(answer);
  return intact(parsed.data?.ciphertext, parsed.data?.ciphertextCrc32c);
}

/** Of no bytes there is no field. */
const decryptAnswer = z.object({
  plaintext: z.instanceof(Uint8Array),
  plaintextCrc32c: z.object({ value: z.coerce.number() }),
});

async function unwrap(kms: Client, name: string, ciphertext: Buffer, context: string): Promise<Buffer> {
  const [answer] = await kms.decrypt(
    { name, ciphertext, ciphertextCrc32c: { value: crc32c(ciphertext) }, ...additionalData(context) },
    oneTry,
  );
  const parsed = decryptAnswer.safeParse(answer);
  return intact(parsed.data?.plaintext, parsed.data?.plaintextCrc32c);
}

function additionalData(context: string) {
  const bytes = Buffer.from(context);
  return { additionalAuthenticatedData: bytes, additionalAuthenticatedDataCrc32c: { value: crc32c(bytes) } };
}

function intact(bytes: Uint8Array | undefined, checksum: { value: number } | undefined): Buffer {
  if (bytes !== undefined && checksum?.value === crc32c(bytes)) return bufferOf(bytes);
  throw new TransientError('an answer of Cloud KMS was changed on its way');
}

/** What was changed on its way to Google is refused there, and is worth another try. */
function retryDamaged(error: unknown): never {
  if (error instanceof Error && /_crc32c did not match/.test(error.message))
    throw new TransientError('a request to Cloud KMS was changed on its way', { cause: error });
  throw error;
}
