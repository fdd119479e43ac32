import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Authorize } from './server.ts';
import { badRequest, denied, invalidToken, noSuchBucket, StorageFailure } from './storage-failure.ts';
import {
  checkPrecondition,
  findObject,
  insertObject,
  listObjects,
  type Objects,
  resourceOf,
  type StoredObject,
} from './storage-objects.ts';
import { createUploads, type UploadState } from './storage-uploads.ts';
import { bodyOf, masked, metadataOf, partsOf, rangeOf } from './storage-wire.ts';

export interface StorageServerOptions {
  /** Those that are there. */
  readonly buckets: readonly string[];
  /** A free one where not given. */
  readonly port?: number;
  /** Asked for every permission that an act needs, on `projects/_/buckets/B[/objects/NAME]`; all where not given. */
  readonly authorize?: Authorize;
  /** Whose token it is; Google does not take one that is nobody's. Every token is taken where not given. */
  readonly accountOf?: (token: string) => string | undefined;
  /** Of a page of a listing; as Google where not given. */
  readonly pageKeysMax?: number;
  /** Whether who may not overwrite hears of that before a precondition is looked at. */
  readonly deniesOverwriteFirst?: boolean;
}

export interface StorageRequest {
  readonly method: string;
  /** Path and query, as they came. */
  readonly url: string;
  readonly token: string | undefined;
}

export interface StorageServer {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** Every request so far, in order of arrival. */
  readonly requests: readonly StorageRequest[];
  readonly uploads: ReturnType<typeof createUploads>;
  /** What a bucket holds, to look at and to tamper with. */
  objects(bucket: string): Objects;
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: string | Buffer;
}

/**
 * The part of Cloud Storage's JSON API that a store uses, strict about all of it: buckets.get, and of objects insert
 * (multipart and resumable), get, media with ranges, list and delete, with preconditions, checksums, permissions.
 */
export async function startStorageServer(options: StorageServerOptions): Promise<StorageServer> {
  const buckets = new Map(options.buckets.map((name): [string, Objects] => [name, new Map()]));
  const requests: StorageRequest[] = [];
  const uploads = createUploads();
  const { authorize = () => true, accountOf = () => 'account@example.com', pageKeysMax = 1000 } = options;

  const server = createServer(async (request, response) => {
    const { bytes, isWhole } = await bodyOf(request);
    const token = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1];
    requests.push({ method: request.method!, url: request.url!, token });
    const url = new URL(request.url!, 'http://storage');
    const isMedia = url.searchParams.get('alt') === 'media';
    send(response, isMedia, () => {
      if (token !== undefined && accountOf(token) === undefined) throw invalidToken();
      if (url.pathname.startsWith('/upload/')) return upload(request, url, token, bytes, isWhole);
      if (!isWhole) throw badRequest('The request broke off.');
      return carryOut(request, url, token);
    });
  });

  const bucketOf = (name: string): Objects => {
    const found = buckets.get(name);
    if (found === undefined) throw noSuchBucket();
    return found;
  };

  const isAllowed = (token: string | undefined, permission: string, bucket: string, name?: string) => {
    const resource = `projects/_/buckets/${bucket}${name === undefined ? '' : `/objects/${name}`}`;
    return authorize({ token, permission, resource });
  };

  const allow = (token: string | undefined, permission: string, bucket: string, name?: string) => {
    if (!isAllowed(token, permission, bucket, name)) throw deniedTo(token, permission);
  };

  const deniedTo = (token: string | undefined, permission: string) =>
    denied(token === undefined ? undefined : accountOf(token), permission);

  const upload = (
    request: IncomingMessage,
    url: URL,
    token: string | undefined,
    bytes: Buffer,
    isWhole: boolean,
  ): Answer => {
    const [, bucket = ''] = /^\/upload\/storage\/v1\/b\/([^/]+)\/o$/.exec(url.pathname) ?? [];
    const objects = bucketOf(decodeURIComponent(bucket));
    const query = queryOf(url, ['uploadType', 'name', 'ifGenerationMatch', 'upload_id']);
    if (query.upload_id !== undefined) {
      if (request.method !== 'PUT') throw badRequest('An upload is carried on with PUT.');
      const crc32c = /crc32c=([^,]+)/.exec(String(request.headers['x-goog-hash'] ?? ''))?.[1];
      const contentRange = request.headers['content-range'] ?? '';
      return answerOfUpload(bucket, uploads.put(query.upload_id, { contentRange, bytes, crc32c }));
    }
    if (request.method !== 'POST' || !isWhole) throw badRequest('The request broke off.');
    const name = query.name ?? '';
    const isResumable = query.uploadType === 'resumable';
    if (!isResumable && query.uploadType !== 'multipart') throw badRequest(`Upload type ${query.uploadType}`);
    allow(token, 'storage.objects.create', bucket, name);
    const mayOverwrite = !objects.has(name) || isAllowed(token, 'storage.objects.delete', bucket, name);
    const forbidden = deniedTo(token, 'storage.objects.delete');
    if (!mayOverwrite && options.deniesOverwriteFirst) throw forbidden;
    checkPrecondition(objects.get(name), query);
    if (!mayOverwrite) throw forbidden;
    if (isResumable) {
      const id = uploads.begin(objects, name, metadataOf(bytes.toString()), query);
      const place = `http://${request.headers.host}${url.pathname}?uploadType=resumable&upload_id=${id}`;
      return { status: 200, headers: { location: place } };
    }
    const { given, bytes: content } = partsOf(request.headers['content-type'] ?? '', bytes);
    return json(resourceOf(bucket, insertObject(objects, name, content, given, query)));
  };

  const carryOut = (request: IncomingMessage, url: URL, token: string | undefined): Answer => {
    const [, bucket = '', rest, encoded] = /^\/storage\/v1\/b\/([^/]+)(\/o(?:\/([^/]+))?)?$/.exec(url.pathname) ?? [];
    const objects = bucketOf(decodeURIComponent(bucket));
    const act = `${request.method} ${rest === undefined ? 'bucket' : encoded === undefined ? 'list' : 'object'}`;
    const name = decodeURIComponent(encoded ?? '');
    if (act === 'GET bucket') {
      allow(token, 'storage.buckets.get', bucket);
      return json({
        kind: 'storage#bucket',
        id: bucket,
        name: bucket,
        location: 'EUROPE-WEST1',
        storageClass: 'STANDARD',
      });
    }
    if (act === 'GET list') {
      allow(token, 'storage.objects.list', bucket);
      const query = queryOf(url, ['prefix', 'startOffset', 'maxResults', 'pageToken', 'fields']);
      const { names, nextPageToken } = listObjects(objects, query, pageKeysMax);
      const items = names.map((each) => resourceOf(bucket, objects.get(each)!));
      return json(
        masked({ kind: 'storage#objects', ...(items.length > 0 ? { items } : {}), nextPageToken }, query.fields),
      );
    }
    if (act === 'GET object') {
      allow(token, 'storage.objects.get', bucket, name);
      // Who may not list does not learn what is not there.
      if (!objects.has(name)) allow(token, 'storage.objects.list', bucket);
      const query = queryOf(url, ['alt', 'fields', 'ifGenerationMatch']);
      const found = findObject(objects, bucket, name);
      checkPrecondition(found, query);
      return query.alt === 'media'
        ? media(found, request.headers.range)
        : json(masked(resourceOf(bucket, found), query.fields));
    }
    if (act === 'DELETE object') {
      allow(token, 'storage.objects.delete', bucket, name);
      checkPrecondition(findObject(objects, bucket, name), queryOf(url, ['ifGenerationMatch']));
      objects.delete(name);
      return { status: 204 };
    }
    throw new StorageFailure(404, 'notFound', 'Not Found');
  };

  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the fake storage has no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    requests,
    uploads,
    objects: bucketOf,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function send(response: ServerResponse, isMedia: boolean, work: () => Answer): void {
  const { status, headers, body } = answered(isMedia, work);
  response.writeHead(status, headers).end(body);
}

function answered(isMedia: boolean, work: () => Answer): Answer {
  try {
    return work();
  } catch (error) {
    const failure = error instanceof StorageFailure ? error : new StorageFailure(500, 'backendError', String(error));
    // Where an object's bytes are asked for, Google answers in plain text.
    if (isMedia) return { status: failure.status, headers: { 'content-type': 'text/html' }, body: failure.message };
    return { status: failure.status, headers: jsonHeaders, body: failure.body };
  }
}

const jsonHeaders = { 'content-type': 'application/json; charset=UTF-8' };

function json(value: unknown): Answer {
  return { status: 200, headers: jsonHeaders, body: JSON.stringify(value) };
}

function answerOfUpload(bucket: string, state: UploadState): Answer {
  if ('finished' in state) return json(resourceOf(bucket, state.finished));
  const range = state.stored === 0 ? {} : { range: `bytes=0-${state.stored - 1}` };
  return { status: 308, headers: range };
}

function media({ bytes, crc32c, md5Hash, generation, contentType }: StoredObject, asked: string | undefined): Answer {
  const headers = {
    'content-type': contentType,
    'x-goog-generation': generation,
    'x-goog-hash': `crc32c=${crc32c},md5=${md5Hash}`,
    'x-goog-stored-content-encoding': 'identity',
    'x-goog-stored-content-length': String(bytes.length),
  };
  if (asked === undefined) return { status: 200, headers, body: bytes };
  const range = rangeOf(asked, bytes.length);
  if (range === undefined)
    throw new StorageFailure(416, 'requestedRangeNotSatisfiable', 'Request range not satisfiable');
  const { start, end } = range;
  const place = { 'content-range': `bytes ${start}-${end - 1}/${bytes.length}` };
  return { status: 206, headers: { ...headers, ...place }, body: bytes.subarray(start, end) };
}

/** A parameter that is not expected is one that this fake would pass over in silence. */
function queryOf<Name extends string>(url: URL, names: readonly Name[]): { [Each in Name]?: string } {
  const query: { [Each in Name]?: string } = {};
  for (const [name, value] of url.searchParams) {
    const known = names.find((each) => each === name);
    if (known === undefined) throw badRequest(`The fake storage does not know the parameter ${name} here.`);
    query[known] = value;
  }
  return query;
}
