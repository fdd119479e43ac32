import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { type Answer, createStorageActs } from './storage-acts.ts';
import { noSuchBucket, StorageFailure } from './storage-failure.ts';
import { type Access, createGuard } from './storage-guard.ts';
import type { Objects } from './storage-objects.ts';
import { createUploads } from './storage-uploads.ts';
import { bodyOf } from './storage-wire.ts';

export interface StorageServerOptions extends Access {
  /** Those that are there. */
  readonly buckets: readonly string[];
  /** A free one where not given. */
  readonly port?: number;
  /** HTTPS where given. */
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Of a page of a listing; as Google where not given. */
  readonly pageKeysMax?: number;
}

export interface StorageRequest {
  readonly method: string;
  /** Path and query, as they came. */
  readonly url: string;
  readonly token: string | undefined;
}

export interface StorageServer {
  /** `http://127.0.0.1:PORT`, or `https://…`. */
  readonly url: string;
  /** Every request so far, in order of arrival. */
  readonly requests: readonly StorageRequest[];
  readonly uploads: ReturnType<typeof createUploads>;
  /** What a bucket holds, to look at and to tamper with. */
  objects(bucket: string): Objects;
  close(): Promise<void>;
}

/**
 * The part of Cloud Storage's JSON API that a store uses, strict about all of it: buckets.get, and of objects insert
 * (multipart and resumable), get, media with ranges, list and delete, with preconditions, checksums, permissions.
 */
export async function startStorageServer(options: StorageServerOptions): Promise<StorageServer> {
  const buckets = new Map(options.buckets.map((name): [string, Objects] => [name, new Map()]));
  const requests: StorageRequest[] = [];
  const uploads = createUploads();
  const objects = (bucket: string): Objects => {
    const found = buckets.get(bucket);
    if (found === undefined) throw noSuchBucket();
    return found;
  };
  const answerTo = createStorageActs({
    guard: createGuard(options),
    objects,
    uploads,
    pageKeysMax: options.pageKeysMax ?? 1000,
  });

  const scheme = options.tls === undefined ? 'http' : 'https';
  const onRequest: RequestListener = async (incoming, response) => {
    const { bytes, isWhole } = await bodyOf(incoming);
    const { method = '', headers } = incoming;
    const token = /^Bearer (.+)$/i.exec(headers.authorization ?? '')?.[1];
    requests.push({ method, url: incoming.url!, token });
    const url = new URL(incoming.url!, `${scheme}://${headers.host}`);
    const { status, body, ...head } = answered(url.searchParams.get('alt') === 'media', () =>
      answerTo({ method, url, headers, token, bytes, isWhole }),
    );
    response.writeHead(status, head.headers).end(body);
  };
  const server = options.tls === undefined ? createServer(onRequest) : createSecureServer(options.tls, onRequest);
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the fake storage has no port');
  return {
    url: `${scheme}://127.0.0.1:${address.port}`,
    requests,
    uploads,
    objects,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function answered(isMedia: boolean, work: () => Answer): Answer {
  try {
    return work();
  } catch (error) {
    const failure = error instanceof StorageFailure ? error : new StorageFailure(500, 'backendError', String(error));
    // Where an object's bytes are asked for, Google answers in plain text.
    const [type, body] = isMedia ? ['text/html', failure.message] : ['application/json', failure.body];
    return { status: failure.status, headers: { 'content-type': `${type}; charset=UTF-8` }, body };
  }
}
