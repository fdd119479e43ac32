import type { Need } from './rpc.ts';
import { denied, StorageFailure } from './storage-failure.ts';

/** What a request to Cloud Storage's JSON API takes, for a storage behind a door that knows no permissions itself. */
export interface StorageNeeds {
  readonly needs: readonly Need[];
  /** The object that the request would overwrite, if one is there. */
  readonly mayOverwrite?: ObjectName;
  /** The object that is asked for. Who may not list is not told that it is absent. */
  readonly asksFor?: ObjectName;
}

export interface ObjectName {
  readonly bucket: string;
  readonly name: string;
}

/** Undefined for an address that the door lets nobody through to. */
export function storageNeeds(method: string, target: string): StorageNeeds | undefined {
  const { pathname, searchParams: query } = new URL(target, 'http://door');
  const upload = /^\/upload\/storage\/v1\/b\/([^/]+)\/o$/.exec(pathname);
  if (upload !== null) return needsOfUpload(decode(upload[1]), query);
  const [, bucket, iam, objects, object, verb] =
    /^\/storage\/v1\/b\/([^/]+)(?:(\/iam)|(\/o(?:\/([^/]+)(\/.+)?)?))?$/.exec(pathname) ?? [];
  if (bucket === undefined) return undefined;
  const name = decode(object);
  const place = { bucket: decode(bucket), name };
  if (object === undefined) return needsOnBucket(method, place.bucket, iam !== undefined, objects !== undefined);
  return verb === undefined ? needsOnObject(method, place) : needsOfCopy(place, decode(verb));
}

/** On an object, or on the bucket where no name is given. */
export function storageNeed(permission: string, bucket: string, name?: string): Need {
  const resource = `projects/_/buckets/${bucket}${name === undefined ? '' : `/objects/${name}`}`;
  return { permission: `storage.${permission}`, resource };
}

/** The refusal in Google's words; in plain text where an object's bytes are asked for. */
export function storageRefusal(account: string | undefined, { permission }: Need, target: string) {
  return storageAnswer(denied(account, permission), target);
}

export function storageAnswer(failure: StorageFailure, target: string) {
  const isMedia = new URL(target, 'http://door').searchParams.get('alt') === 'media';
  const type = isMedia ? 'text/html' : 'application/json';
  return {
    status: failure.status,
    headers: { 'content-type': `${type}; charset=UTF-8` },
    body: Buffer.from(isMedia ? failure.message : failure.body),
  };
}

export const unknownAddress = new StorageFailure(404, 'notFound', 'Not Found');

// --- Internal helpers ---

function needsOfUpload(bucket: string, query: URLSearchParams): StorageNeeds | undefined {
  // The address of an upload that was begun is its own permission.
  if (query.has('upload_id')) return { needs: [] };
  const name = query.get('name');
  return name === null ? undefined : needsOfCreate({ bucket, name }, query.get('ifGenerationMatch') !== '0');
}

function needsOfCreate(place: ObjectName, overwrites: boolean): StorageNeeds {
  const needs = [storageNeed('objects.create', place.bucket, place.name)];
  return overwrites ? { needs, mayOverwrite: place } : { needs };
}

function needsOnBucket(method: string, bucket: string, iam: boolean, objects: boolean): StorageNeeds | undefined {
  if (objects) return method === 'GET' ? { needs: [storageNeed('objects.list', bucket)] } : undefined;
  const permission = (iam ? permissionsOnPolicy : permissionsOnBucket)[method];
  return permission === undefined ? undefined : { needs: [storageNeed(permission, bucket)] };
}

const permissionsOnPolicy: Readonly<Record<string, string>> = {
  GET: 'buckets.getIamPolicy',
  PUT: 'buckets.setIamPolicy',
};

const permissionsOnBucket: Readonly<Record<string, string>> = {
  GET: 'buckets.get',
  PATCH: 'buckets.update',
  PUT: 'buckets.update',
  DELETE: 'buckets.delete',
};

function needsOnObject(method: string, place: ObjectName): StorageNeeds | undefined {
  const permission = permissionsOnObject[method];
  if (permission === undefined) return undefined;
  const needs = [storageNeed(permission, place.bucket, place.name)];
  return method === 'GET' ? { needs, asksFor: place } : { needs };
}

const permissionsOnObject: Readonly<Record<string, string>> = {
  GET: 'objects.get',
  PATCH: 'objects.update',
  PUT: 'objects.update',
  DELETE: 'objects.delete',
};

/** Copies and rewrites of one object into another. */
function needsOfCopy(source: ObjectName, verb: string): StorageNeeds | undefined {
  const [, bucket, name] = /^\/(?:rewriteTo|copyTo)\/b\/([^/]+)\/o\/(.+)$/.exec(verb) ?? [];
  if (bucket === undefined || name === undefined) return undefined;
  const { needs, ...more } = needsOfCreate({ bucket, name }, true);
  return { needs: [storageNeed('objects.get', source.bucket, source.name), ...needs], ...more };
}

function decode(segment: string | undefined): string {
  return decodeURIComponent(segment ?? '');
}
