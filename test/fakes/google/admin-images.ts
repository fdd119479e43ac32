import { createHash } from 'node:crypto';
import type { Buckets } from './admin-buckets.ts';
import { type Policies, policyRoutes } from './admin-policies.ts';
import { objectAt, refuse, type Service, type World } from './admin-world.ts';
import { GoogleFailure } from './failure.ts';
import { type BuildActs, failureOfBuild } from './policy-build.ts';

export interface Images {
  readonly repositories: Map<string, object>;
  /** By `projects/P/locations/L/repositories/R/packages/I/tags/T`: the digest. */
  readonly tags: Map<string, string>;
  readonly services: readonly Service[];
}

interface FakeBuild {
  readonly id: string;
  readonly region: string;
  looks: number;
  readonly order: Readonly<Record<string, unknown>>;
}

const repositoryPattern = 'projects/[^/]+/locations/[^/]+/repositories/[^/:]+';

/** Artifact Registry, and a Cloud Build that "builds" by hashing what it was given, as far as its account may. */
export function createImages(world: World, policies: Policies, buckets: Buckets): Images {
  const repositories: Images['repositories'] = new Map();
  const tags: Images['tags'] = new Map();
  const builds: FakeBuild[] = [];
  const requireRepository = (name: string) => {
    if (!repositories.has(name)) refuse('NOT_FOUND', `Requested entity was not found: ${name}`);
  };

  const registry: Service = {
    host: 'artifactregistry.googleapis.com',
    routes: [
      {
        method: 'POST',
        path: /^\/v1\/(projects\/[^/]+\/locations\/[^/]+\/repositories)$/,
        answer({ groups: [parent = ''], query, body }) {
          const name = `${parent}/${query.get('repositoryId')}`;
          if (body.format !== 'DOCKER') refuse('INVALID_ARGUMENT', 'format is required.');
          if (repositories.has(name)) refuse('ALREADY_EXISTS', 'the repository already exists');
          repositories.set(name, { name, ...body });
          world.made.push(`repository ${name}`);
          return operationOf(parent);
        },
      },
      {
        method: 'GET',
        path: new RegExp(`^/v1/(${repositoryPattern})$`),
        answer({ groups: [name = ''] }) {
          requireRepository(name);
          return repositories.get(name);
        },
      },
      {
        method: 'DELETE',
        path: new RegExp(`^/v1/(${repositoryPattern})$`),
        answer({ groups: [name = ''] }) {
          requireRepository(name);
          repositories.delete(name);
          policies.remove(name);
          for (const tag of tags.keys()) if (tag.startsWith(`${name}/`)) tags.delete(tag);
          return operationOf(name.slice(0, name.lastIndexOf('/repositories')));
        },
      },
      {
        method: 'GET',
        path: new RegExp(`^/v1/(${repositoryPattern}/packages/[^/]+/tags/[^/]+)$`),
        answer({ groups: [name = ''] }) {
          const digest = tags.get(name) ?? refuse('NOT_FOUND', `Requested entity was not found: ${name}`);
          return { name, version: name.replace(/\/tags\/.*$/, `/versions/${digest}`) };
        },
      },
      {
        method: 'GET',
        path: /^\/v1\/(projects\/[^/]+\/locations\/[^/]+\/operations\/[^/]+)$/,
        answer: ({ groups: [name] }) => ({ name, done: true, response: {} }),
      },
      ...policyRoutes('v1', repositoryPattern, policies, requireRepository),
    ],
  };

  const shown = (build: FakeBuild) => {
    const failure = world.options.buildFails ?? failureOfBuild(policies, actsOf(build, world));
    const status = build.looks < 2 ? 'WORKING' : failure === undefined ? 'SUCCESS' : 'FAILURE';
    const name = String((build.order.images as string[])[0]);
    return {
      id: build.id,
      status,
      tags: build.order.tags,
      logUrl: `https://console.cloud.google.com/cloud-build/builds/${build.id}`,
      ...(status === 'SUCCESS' ? { results: { images: [{ name, digest: push(build) }] } } : {}),
      ...(status === 'FAILURE' ? { failureInfo: failure } : {}),
    };
  };
  const push = ({ order }: FakeBuild): string => {
    const { repository, name, tag } = imageOf(order);
    requireRepository(repository);
    const source = objectAt(order.source, 'storageSource');
    const object = buckets.objects.get(`${source.bucket}/${source.object}`);
    if (object === undefined || object.generation !== source.generation) {
      throw new GoogleFailure('INTERNAL', 'the archive of the build is not there');
    }
    const digest = `sha256:${createHash('sha256').update(object.sha256).digest('hex')}`;
    tags.set(`${repository}/packages/${name}/tags/${tag}`, digest);
    return digest;
  };

  const cloudBuild: Service = {
    host: 'cloudbuild.googleapis.com',
    routes: [
      {
        method: 'POST',
        path: /^\/v1\/projects\/[^/]+\/locations\/([^/]+)\/builds$/,
        answer({ groups: [region = ''], body }) {
          if (world.options.closedForBuilds?.includes(region)) {
            refuse(
              'FAILED_PRECONDITION',
              'failed precondition: due to quota restrictions, cannot run builds in this region. Please contact support',
            );
          }
          world.requireAccount(String(body.serviceAccount).split('/').at(-1)!);
          const build: FakeBuild = { id: `build-${builds.length + 1}`, region, looks: 0, order: body };
          builds.push(build);
          world.made.push(`build ${String((body.images as string[])[0])}`);
          return { name: `operations/build/${build.id}`, metadata: { build: shown(build) } };
        },
      },
      {
        method: 'GET',
        path: /^\/v1\/projects\/[^/]+\/locations\/([^/]+)\/builds$/,
        answer({ groups: [region = ''], query }) {
          const wanted = /^tags="([^"]+)"$/.exec(query.get('filter') ?? '')?.[1];
          const found = builds.filter(
            ({ region: place, order }) => place === region && (order.tags as string[]).includes(wanted ?? ''),
          );
          return found.length === 0 ? {} : { builds: found.map(shown) };
        },
      },
      {
        method: 'GET',
        path: /^\/v1\/projects\/[^/]+\/locations\/([^/]+)\/builds\/([^/]+)$/,
        answer({ groups: [region, id] }) {
          const build = builds.find((each) => each.id === id && each.region === region);
          if (build === undefined) return refuse('NOT_FOUND', 'Requested entity was not found.');
          build.looks++;
          return shown(build);
        },
      },
    ],
  };
  return { repositories, tags, services: [registry, cloudBuild] };
}

function imageOf(order: FakeBuild['order']) {
  const image = String((order.images as string[])[0]);
  const [, region, project, id, name, tag] = /^(.+)-docker\.pkg\.dev\/([^/]+)\/([^/]+)\/([^:]+):(.+)$/.exec(image)!;
  return { repository: `projects/${project}/locations/${region}/repositories/${id}`, name, tag };
}

function actsOf({ order }: FakeBuild, { project }: World): BuildActs {
  const { bucket, object } = objectAt(order.source, 'storageSource');
  const account = String(order.serviceAccount).split('/').at(-1)!;
  const source = { bucket: String(bucket), object: String(object) };
  return { account, project, source, repository: imageOf(order).repository };
}

function operationOf(parent: string) {
  return { name: `${parent.replace(/\/repositories$/, '')}/operations/1`, done: false };
}
