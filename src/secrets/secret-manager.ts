import { z } from 'zod';
import type { Secrets } from '../contracts/secrets.ts';
import { crc32c } from '../lib/crc32c.ts';
import { clientOptions, patiently, TransientError } from '../lib/google.ts';
import { once } from '../lib/once.ts';
import { inWords } from './failures.ts';
import { nameIn, unusable, usableValue } from './value.ts';

export interface SecretManagerOptions {
  readonly project: string;
  /** Google's own where undefined. */
  readonly endpoint: string | undefined;
  /** How long what may pass is tried again; 15 s where not given. */
  readonly patienceMs?: number;
}

const attemptTimeoutMs = 5000;

/** `secret-manager:NAME`: the latest version of a secret of the project, read anew each time and checked. */
export function createSecretManagerSecrets({ patienceMs = 15_000, ...place }: SecretManagerOptions): Secrets {
  const client = once(async () => {
    const { SecretManagerServiceClient } = await import('@google-cloud/secret-manager');
    return new SecretManagerServiceClient(await clientOptions(place));
  });
  return {
    async read(reference, signal) {
      const secret = `projects/${place.project}/secrets/${nameIn(reference, 'secret-manager:')}`;
      const manager = await client();
      try {
        const data = await patiently(() => access(manager, `${secret}/versions/latest`, signal), {
          withinMs: patienceMs,
          signal,
        });
        return usableValue(reference, textOf(reference, data));
      } catch (error) {
        throw await inWords(error, { reference, secret, ...place, signal });
      }
    },
  };
}

// --- Internal helpers ---

type Client = InstanceType<typeof import('@google-cloud/secret-manager')['SecretManagerServiceClient']>;

const accessed = z.object({
  payload: z.object({ data: z.instanceof(Uint8Array), dataCrc32c: z.coerce.number() }),
});

/** Tried again by `patiently` alone: the client would go on for ten minutes. */
async function access(manager: Client, name: string, signal: AbortSignal): Promise<Uint8Array> {
  signal.throwIfAborted();
  const [answer] = await manager.accessSecretVersion({ name }, { timeout: attemptTimeoutMs, retry: null, signal });
  const payload = accessed.safeParse(answer).data?.payload;
  if (payload !== undefined && payload.dataCrc32c === crc32c(payload.data)) return payload.data;
  throw new TransientError('an answer of Secret Manager was changed on its way');
}

function textOf(reference: string, data: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(data);
  } catch {
    throw unusable(reference, 'no text: it is not valid UTF-8');
  }
}
