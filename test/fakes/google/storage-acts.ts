import type { IncomingHttpHeaders } from 'node:http';
import { badRequest, StorageFailure } from './storage-failure.ts';
import type { Act, Guard } from './storage-guard.ts';
import {
  checkPrecondition,
  findObject,
  insertObject,
  listObjects,
  type Objects,
  resourceOf,
  type StoredObject,
} from './storage-objects.ts';
import type { createUploads, UploadState } from './storage-uploads.ts';
import { masked, metadataOf, partsOf, rangeOf } from './storage-wire.ts';

export interface StorageActsOptions {
  readonly guard: Guard;
  /** Throws where there is no such bucket. */
  readonly objects: (bucket: string) => Objects;
  readonly uploads: ReturnType<typeof createUploads>;
  readonly pageKeysMax: number;
}

export interface Asked {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
  readonly token: string | undefined;
  readonly bytes: Buffer;
  /** Whether all of the body came. */
  readonly isWhole: boolean;
}

export interface Answer {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: string | Buffer;
}

/** Carries a request out and answers it; what it throws is Google's refusal. */
export function createStorageActs({ guard, objects, uploads, pageKeysMax }: StorageActsOptions) {
  const carryOnUpload = ({ method, url, headers, bytes }: Asked, bucket: string): Answer => {
    if (method !== 'PUT') throw badRequest('An upload is carried on with PUT.');
    const crc32c = /crc32c=([^,]+)/.exec(String(headers['x-goog-hash'] ?? ''))?.[1];
    const contentRange = headers['content-range'] ?? '';
    return answerOfUpload(bucket, uploads.put(url.searchParams.get('upload_id')!, { contentRange, bytes, crc32c }));
  };

  const insert = (asked: Asked, bucket: string): Answer => {
    const { method, url, headers, token, bytes, isWhole } = asked;
    const { uploadType, name = '', ...precondition } = queryOf(url, ['uploadType', 'name', 'ifGenerationMatch']);
    if (method !== 'POST' || !isWhole) throw badRequest('An object begins with a whole POST.');
    if (uploadType !== 'resumable' && uploadType !== 'multipart')
      throw badRequest(`Unknown upload type ${uploadType}.`);
    const held = objects(bucket);
    guard.allow({ token, permission: 'storage.objects.create', bucket, name });
    const overwriting = { token, permission: 'storage.objects.delete', bucket, name };
    const refused = held.has(name) ? guard.refusal(overwriting) : undefined;
    if (refused !== undefined && guard.deniesOverwriteFirst) throw refused;
    checkPrecondition(held.get(name), precondition);
    if (refused !== undefined) throw refused;
    if (uploadType === 'resumable') {
      const id = uploads.begin(held, name, metadataOf(bytes.toString()), precondition);
      const location = `${url.origin}${url.pathname}?uploadType=resumable&upload_id=${id}`;
      return { status: 200, headers: { location } };
    }
    const { given, bytes: content } = partsOf(headers['content-type'] ?? '', bytes);
    return json(resourceOf(bucket, insertObject(held, name, content, given, precondition)));
  };

  const getBucket = (_: Asked, act: Act): Answer => {
    guard.allow({ ...act, permission: 'storage.buckets.get' });
    const { bucket: name } = act;
    const place = { projectNumber: '123456789012', location: 'EUROPE-WEST1', storageClass: 'STANDARD' };
    return json({ kind: 'storage#bucket', id: name, name, ...place });
  };

  const list = ({ url }: Asked, act: Act): Answer => {
    guard.allow({ ...act, permission: 'storage.objects.list' });
    const query = queryOf(url, ['prefix', 'startOffset', 'maxResults', 'pageToken', 'fields']);
    const held = objects(act.bucket);
    const { names, nextPageToken } = listObjects(held, query, pageKeysMax);
    const items = names.map((name) => resourceOf(act.bucket, held.get(name)!));
    const page = { kind: 'storage#objects', ...(items.length > 0 ? { items } : {}), nextPageToken };
    return json(masked(page, query.fields));
  };

  const get = ({ url, headers }: Asked, { bucket, token, ...act }: Act): Answer => {
    guard.allow({ ...act, token, bucket, permission: 'storage.objects.get' });
    const query = queryOf(url, ['alt', 'fields', 'ifGenerationMatch']);
    const held = objects(bucket);
    // Who may not list does not learn what is not there.
    if (!held.has(act.name!)) guard.allow({ token, bucket, permission: 'storage.objects.list' });
    const found = findObject(held, bucket, act.name!);
    checkPrecondition(found, query);
    return query.alt === 'media' ? media(found, headers.range) : json(masked(resourceOf(bucket, found), query.fields));
  };

  const remove = ({ url }: Asked, act: Act): Answer => {
    guard.allow({ ...act, permission: 'storage.objects.delete' });
    const held = objects(act.bucket);
    checkPrecondition(findObject(held, act.bucket, act.name!), queryOf(url, ['ifGenerationMatch']));
    held.delete(act.name!);
    return { status: 204 };
  };

  const acts: Readonly<Record<string, (asked: Asked, act: Act) => Answer>> = {
    'GET bucket': getBucket,
    'GET list': list,
    'GET object': get,
    'DELETE object': remove,
  };

  return (asked: Asked): Answer => {
    const { method, url, token, isWhole } = asked;
    guard.admit(token);
    const [, prefix, bucket = '', rest, encoded] =
      /^(\/upload)?\/storage\/v1\/b\/([^/]+)(\/o(?:\/([^/]+))?)?$/.exec(url.pathname) ?? [];
    objects(bucket);
    if (prefix !== undefined) {
      return url.searchParams.has('upload_id') ? carryOnUpload(asked, bucket) : insert(asked, bucket);
    }
    const kind = rest === undefined ? 'bucket' : encoded === undefined ? 'list' : 'object';
    const act = acts[`${method} ${kind}`];
    if (act === undefined || !isWhole) throw new StorageFailure(404, 'notFound', 'Not Found');
    const name = encoded === undefined ? {} : { name: decodeURIComponent(encoded) };
    return act(asked, { token, permission: '', bucket, ...name });
  };
}

function json(value: unknown): Answer {
  return { status: 200, headers: { 'content-type': 'application/json; charset=UTF-8' }, body: JSON.stringify(value) };
}

function answerOfUpload(bucket: string, state: UploadState): Answer {
  if ('finished' in state) return json(resourceOf(bucket, state.finished));
  return { status: 308, headers: state.stored === 0 ? {} : { range: `bytes=0-${state.stored - 1}` } };
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
