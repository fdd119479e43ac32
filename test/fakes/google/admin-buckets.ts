import { createHash } from 'node:crypto';
import type { Policies } from './admin-policies.ts';
import { projectNumber, refuse, type Service, type World } from './admin-world.ts';
import { GoogleFailure } from './failure.ts';
import type { Authorize } from './server.ts';

export interface FakeBucket {
  metageneration: number;
  readonly fields: Record<string, unknown>;
}

export interface Buckets {
  readonly all: Map<string, FakeBucket>;
  /** By `bucket/object`. */
  readonly objects: Map<string, { readonly generation: string; readonly sha256: string }>;
  readonly service: Service;
}

/** The administration of Cloud Storage, and plain uploads. `authorize` is asked only for what a caller may itself. */
export function createBuckets(world: World, policies: Policies, authorize: Authorize = () => true): Buckets {
  const all: Buckets['all'] = new Map();
  const objects: Buckets['objects'] = new Map();
  const isTaken = (name: string) => world.options.bucketsOfOthers?.includes(name) ?? false;
  const at = (name: string): FakeBucket => {
    if (isTaken(name)) return { metageneration: 1, fields: {} };
    return all.get(name) ?? refuse('NOT_FOUND', 'The specified bucket does not exist.');
  };
  const shown = (name: string) => ({
    kind: 'storage#bucket',
    id: name,
    name,
    projectNumber: isTaken(name) ? '999999999999' : projectNumber,
    metageneration: String(at(name).metageneration),
    ...at(name).fields,
  });
  const precondition = new GoogleFailure(
    'FAILED_PRECONDITION',
    'At least one of the pre-conditions you specified did not hold.',
  );
  const service: Service = {
    host: 'storage.googleapis.com',
    routes: [
      {
        method: 'POST',
        path: /^\/storage\/v1\/b$/,
        answer({ body: { name, ...fields } }) {
          const bucket = String(name);
          if (all.has(bucket) || isTaken(bucket)) {
            refuse(
              'ALREADY_EXISTS',
              'The requested bucket name is not available. The bucket namespace is shared by all users.',
            );
          }
          // Soft delete is on where nobody says otherwise.
          all.set(bucket, {
            metageneration: 1,
            fields: { softDeletePolicy: { retentionDurationSeconds: '604800' }, ...fields },
          });
          world.made.push(`bucket ${bucket}`);
          return shown(bucket);
        },
      },
      { method: 'GET', path: /^\/storage\/v1\/b\/([^/]+)$/, answer: ({ groups: [name = ''] }) => shown(name) },
      {
        method: 'PATCH',
        path: /^\/storage\/v1\/b\/([^/]+)$/,
        answer({ groups: [name = ''], query, body }) {
          const bucket = at(name);
          if (query.get('ifMetagenerationMatch') !== String(bucket.metageneration)) throw asStorage(precondition);
          Object.assign(bucket.fields, body);
          bucket.metageneration++;
          return shown(name);
        },
      },
      {
        method: 'GET',
        path: /^\/storage\/v1\/b\/([^/]+)\/iam$/,
        answer({ groups: [name = ''], query }) {
          at(name);
          return policies.get(name, Number(query.get('optionsRequestedPolicyVersion') ?? 1));
        },
      },
      {
        method: 'PUT',
        path: /^\/storage\/v1\/b\/([^/]+)\/iam$/,
        answer({ groups: [name = ''], body }) {
          at(name);
          return policies.set(name, { ...body }, asStorage(precondition));
        },
      },
      {
        method: 'GET',
        path: /^\/storage\/v1\/b\/([^/]+)\/iam\/testPermissions$/,
        answer({ groups: [name = ''], query, raw: { token } }) {
          at(name);
          const resource = `projects/_/buckets/${name}`;
          const permissions = query
            .getAll('permissions')
            .filter((permission) => authorize({ token, permission, resource }));
          return { kind: 'storage#testIamPermissionsResponse', ...(permissions.length === 0 ? {} : { permissions }) };
        },
      },
      {
        method: 'GET',
        path: /^\/storage\/v1\/b\/([^/]+)\/o\/([^/]+)$/,
        answer: ({ groups: [bucket = '', object = ''] }) =>
          objects.get(`${bucket}/${decodeURIComponent(object)}`) ??
          refuse('NOT_FOUND', `No such object: ${bucket}/${object}`),
      },
      {
        method: 'POST',
        path: /^\/upload\/storage\/v1\/b\/([^/]+)\/o$/,
        answer({ groups: [bucket = ''], query, raw }) {
          at(bucket);
          const name = `${bucket}/${query.get('name')}`;
          if (query.get('ifGenerationMatch') === '0' && objects.has(name)) throw asStorage(precondition);
          const sha256 = createHash('sha256').update(raw.body).digest('hex');
          objects.set(name, { generation: String(objects.size + 1), sha256 });
          world.made.push(`object ${name}`);
          return { name, ...objects.get(name) };
        },
      },
    ],
  };
  return { all, objects, service };
}

/** Cloud Storage has a status of its own where a precondition does not hold. */
export class StorageFailure extends GoogleFailure {
  readonly httpStatus = 412;
}

function asStorage({ message }: GoogleFailure): StorageFailure {
  return new StorageFailure('FAILED_PRECONDITION', message);
}
