import type { Bucket } from '@google-cloud/storage';
import { RunyardError } from '../../contracts/errors.ts';

export interface GcsPlace {
  readonly project: string;
  readonly bucket: string;
  /** Google's own where undefined. `http://…` is spoken without credentials, `https://…` with the default ones. */
  readonly endpoint: string | undefined;
  /** Reads go with this bearer token, everything else with the account's own credentials. */
  readonly readToken?: string;
  /** Keys below this prefix are read with the account's own credentials all the same. */
  readonly ownReads?: string;
}

/** The same bucket as seen by who reads and by who does the rest. */
export interface BucketAccess {
  readonly reader: Bucket;
  readonly writer: Bucket;
}

const googleEndpoint = 'https://storage.googleapis.com';

/** Loads Google's client, which costs a tenth of a second, and asks for nothing yet. */
export async function openBucket({ project, bucket, endpoint, readToken }: GcsPlace): Promise<BucketAccess> {
  const [{ Storage }, { OAuth2Client, PassThroughClient }] = await Promise.all([
    import('@google-cloud/storage'),
    import('google-auth-library'),
  ]);

  const bucketOf = (authClient: InstanceType<typeof OAuth2Client | typeof PassThroughClient> | undefined) => {
    const storage = new Storage({
      projectId: project,
      // Its retries let a winner lose its own claim, and one of them ends the process from outside of any promise.
      retryOptions: { autoRetry: false },
      ...(endpoint === undefined ? {} : { apiEndpoint: endpoint, useAuthWithCustomEndpoint: true }),
      ...(authClient === undefined ? {} : { authClient }),
    });
    if (storage.baseUrl !== `${endpoint ?? googleEndpoint}/storage/v1`) throw misled(storage.baseUrl);
    return storage.bucket(bucket);
  };

  const writer = bucketOf(endpoint?.startsWith('http:') ? new PassThroughClient() : undefined);
  if (readToken === undefined) return { reader: writer, writer };
  const holder = new OAuth2Client();
  holder.setCredentials({ access_token: readToken });
  return { reader: bucketOf(holder), writer };
}

function misled(url: string): RunyardError {
  return new RunyardError('backend_error', `Google's storage client was sent to ${url} by its environment.`, {
    hint: 'Unset STORAGE_EMULATOR_HOST, and set RUNYARD_STORAGE_ENDPOINT instead.',
  });
}

/**
 * Tries until it succeeds or may not be tried again; then throws the failure in our words. Attempts count from 0, and
 * one whose signal is aborted is not waited for any longer.
 */
export type Insist = <T>(attempt: (count: number, signal: AbortSignal) => Promise<T>) => Promise<T>;
