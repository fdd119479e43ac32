import { createBuckets, StorageFailure } from './admin-buckets.ts';
import { createImages } from './admin-images.ts';
import { createPolicies, type FakePolicy } from './admin-policies.ts';
import { projectServices } from './admin-project.ts';
import { createRun } from './admin-run.ts';
import { type AdminOptions, createWorld, requireEnabled, type Service, type World } from './admin-world.ts';
import { answerOfFailure } from './failure.ts';
import {
  type Answer,
  type GoogleFakeOptions,
  type GoogleServer,
  json,
  noSuchAddress,
  type RecordedRequest,
  startGoogleServer,
} from './server.ts';

/**
 * What a deployment asks of a project besides keys and secrets: Service Usage, Resource Manager, service accounts,
 * buckets, Artifact Registry, Cloud Build, jobs and services of Cloud Run. All on one port; the first segment of a path
 * is the host, such as `http://127.0.0.1:PORT/run.googleapis.com/v2/…`.
 */
export interface AdminServer extends GoogleServer {
  endpointOf(host: string): string;
  /** Everything that was made or changed, in order: what was made twice stands there twice. */
  readonly made: readonly string[];
  /** All that there is now, without what no two projects have in common. */
  state(): AdminState;
  readonly world: Pick<World, 'accounts'> & {
    readonly run: ReadonlyMap<string, Record<string, unknown>>;
    readonly tags: Map<string, string>;
  };
  /** As somebody else would, who says nothing of it. */
  changeBucket(name: string, fields: object): void;
  setPolicy(resource: string, bindings: FakePolicy['bindings']): void;
}

export interface AdminState {
  readonly enabled: readonly string[];
  readonly accounts: readonly string[];
  readonly policies: Readonly<Record<string, FakePolicy>>;
  readonly buckets: Readonly<Record<string, object>>;
  readonly objects: readonly string[];
  readonly repositories: readonly string[];
  readonly tags: Readonly<Record<string, string>>;
  readonly run: Readonly<Record<string, object>>;
}

export async function startAdmin(options: AdminOptions & GoogleFakeOptions = {}): Promise<AdminServer> {
  const world = createWorld(options);
  const policies = createPolicies(world, (resource) => ownersOf(resource, world));
  const buckets = createBuckets(world, policies, options.authorize);
  const images = createImages(world, policies, buckets);
  const run = createRun(world, policies);
  const services: Service[] = [...projectServices(world, policies), buckets.service, ...images.services, run.service];
  const server = await startGoogleServer((request) => {
    try {
      return answer(request, services, world);
    } catch (error) {
      if (error instanceof StorageFailure) return { ...answerOfFailure(error), status: error.httpStatus };
      throw error;
    }
  }, options);
  return {
    ...server,
    world: { accounts: world.accounts, run: run.all, tags: images.tags },
    made: world.made,
    endpointOf: (host) => `${server.url}/${host}`,
    state: () =>
      structuredClone({
        enabled: [...world.enabled].sort(),
        accounts: [...world.accounts.keys()].sort(),
        policies: policies.all(),
        buckets: Object.fromEntries([...buckets.all].map(([name, { fields }]) => [name, fields])),
        objects: [...buckets.objects.keys()].sort(),
        repositories: [...images.repositories.keys()],
        tags: Object.fromEntries(images.tags),
        run: Object.fromEntries([...run.all].sort(([a], [b]) => (a < b ? -1 : 1))),
      }),
    changeBucket(name, fields) {
      const bucket = buckets.all.get(name)!;
      Object.assign(bucket.fields, fields);
      bucket.metageneration++;
    },
    setPolicy(resource, bindings) {
      const { etag } = policies.get(resource, 3) as { etag: string };
      policies.set(resource, { etag, version: 3, bindings }, new StorageFailure('ABORTED', 'stale'));
    },
  };
}

/** A project and its buckets are somebody's from the start. */
function ownersOf(resource: string, { project }: World): FakePolicy['bindings'] {
  if (resource.startsWith('projects/') && !resource.includes('/locations/')) {
    return [{ role: 'roles/owner', members: ['user:owner@example.com'] }];
  }
  if (resource.includes('/')) return [];
  return [
    { role: 'roles/storage.legacyBucketOwner', members: [`projectEditor:${project}`, `projectOwner:${project}`] },
  ];
}

function answer(raw: RecordedRequest, services: readonly Service[], world: World): Answer {
  const url = new URL(raw.url, 'http://fake');
  const [, host = '', path = ''] = /^\/([^/]+)(\/.*)$/.exec(url.pathname) ?? [];
  const service = services.find((each) => each.host === host);
  if (service === undefined) return noSuchAddress;
  requireEnabled(service, world);
  for (const route of service.routes) {
    const match = route.method === raw.method ? route.path.exec(path) : null;
    if (match === null) continue;
    const isJson = raw.headers['content-type']?.startsWith('application/json') ?? false;
    const body = isJson && raw.body !== '' ? (JSON.parse(raw.body) as Record<string, unknown>) : {};
    return json(route.answer({ groups: match.slice(1), query: url.searchParams, body, raw }));
  }
  return noSuchAddress;
}
