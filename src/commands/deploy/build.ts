import { z } from 'zod';
import type { CloudPlace } from '../../contracts/cloud.ts';
import { dockerfile, type PackageFiles } from './archive.ts';
import { deployPrefix } from './bucket.ts';
import type { GoogleRest } from './google-rest.ts';
import { names } from './installation.ts';
import { GoogleRefusal, refusalOfOutcome } from './refusal.ts';

const buildTimeoutSeconds = 1800;
/** It may have to wait for its turn. */
const buildWithinMs = 2 * buildTimeoutSeconds * 1000;

const objectSchema = z.looseObject({ generation: z.string() });
const buildSchema = z.looseObject({
  id: z.string(),
  status: z.string(),
  logUrl: z.string().optional(),
  statusDetail: z.string().optional(),
  failureInfo: z.looseObject({ type: z.string().optional(), detail: z.string().optional() }).optional(),
  results: z
    .looseObject({ images: z.array(z.looseObject({ name: z.string(), digest: z.string() })).optional() })
    .optional(),
});
type Build = z.infer<typeof buildSchema>;
const startedSchema = z.looseObject({
  metadata: z.looseObject({ build: z.looseObject({ id: z.string(), logUrl: z.string().optional() }) }),
});

/** What Cloud Build is to do, without where it takes the files from. Pure. */
export function buildRecipe(place: CloudPlace, tagged: string) {
  return {
    steps: [
      {
        name: 'gcr.io/cloud-builders/docker',
        args: ['build', '-f', dockerfile, '-t', tagged, '.'],
        env: ['DOCKER_BUILDKIT=1'],
      },
    ],
    images: [tagged],
    serviceAccount: `projects/${place.project}/serviceAccounts/${names.email(place, 'build')}`,
    options: { logging: 'CLOUD_LOGGING_ONLY' },
    timeout: `${buildTimeoutSeconds}s`,
  };
}

/** What an image is built from. */
export interface BuildMaterial {
  readonly files: PackageFiles;
  /** What people want to know while they wait. */
  readonly tell: (line: string) => void;
}

export interface BuildOrder extends BuildMaterial {
  readonly place: CloudPlace;
  readonly rest: GoogleRest;
  readonly tagged: string;
}

/** Builds and pushes the image; resolves to its digest. A build that an earlier attempt left running is waited for. */
export async function buildImage(order: BuildOrder): Promise<string> {
  const { rest, place } = order;
  const source = await uploadArchive(order);
  return rest.settled(async () => {
    const { region, id, logUrl } = (await runningBuild(order)) ?? (await startBuild(order, source));
    order.tell(`Cloud Build works on it, some minutes${logUrl === undefined ? '' : `: ${logUrl}`}`);
    const path = `/v1/${names.builds(place, region)}/${id}`;
    const ended = await rest.poll(async () => {
      const build = await rest.send({ api: 'cloudBuild', path }, buildSchema);
      return isRunning(build) ? undefined : build;
    }, buildWithinMs);
    return digestOf(ended);
  }, mayBeTriedAgain);
}

/** Named after its contents, so that a second upload is the first. */
async function uploadArchive({ place, rest, files }: BuildOrder) {
  const { bucket } = place;
  const object = `${deployPrefix}${files.sha256}.tar.gz`;
  const path = `/storage/v1/b/${bucket}/o/${encodeURIComponent(object)}`;
  const find = () => rest.find({ api: 'storage', path }, objectSchema);
  const there = (await find()) ?? (await upload());
  return { bucket, object, generation: there.generation };

  async function upload() {
    const query = { uploadType: 'media', name: object, ifGenerationMatch: '0' };
    const bytes = { type: 'application/gzip', content: await files.archive() };
    try {
      return await rest.send(
        { api: 'storage', method: 'POST', path: `/upload/storage/v1/b/${bucket}/o`, query, bytes },
        objectSchema,
      );
    } catch (error) {
      const first = error instanceof GoogleRefusal && error.status === 412 ? await find() : undefined;
      if (first === undefined) throw error;
      return first;
    }
  }
}

interface StartedBuild {
  readonly region: string;
  readonly id: string;
  readonly logUrl: string | undefined;
}

/** Projects without a history may build in some regions only; the image is pushed to its own region all the same. */
const regionsOf = ({ region }: CloudPlace) => [region, 'global'];

/** Builds are found again by a tag of theirs. */
const tagOf = ({ files }: BuildOrder) => `runyard-${files.sha256.slice(0, 12)}`;

async function runningBuild(order: BuildOrder): Promise<StartedBuild | undefined> {
  const { rest, place } = order;
  const page = z.looseObject({ builds: z.array(buildSchema).optional() });
  for (const region of regionsOf(place)) {
    const query = { filter: `tags="${tagOf(order)}"`, pageSize: '20' };
    const { builds = [] } = await rest.send(
      { api: 'cloudBuild', path: `/v1/${names.builds(place, region)}`, query },
      page,
    );
    const running = builds.find(isRunning);
    if (running !== undefined) return { region, id: running.id, logUrl: running.logUrl };
  }
  return undefined;
}

async function startBuild(order: BuildOrder, storageSource: object): Promise<StartedBuild> {
  const { rest, place, tagged } = order;
  const body = { ...buildRecipe(place, tagged), source: { storageSource }, tags: [tagOf(order)] };
  const startIn = async (region: string): Promise<StartedBuild> => {
    const path = `/v1/${names.builds(place, region)}`;
    const started = await rest.send({ api: 'cloudBuild', method: 'POST', path, body, once: true }, startedSchema);
    const { id, logUrl } = started.metadata.build;
    return { region, id, logUrl };
  };
  try {
    return await startIn(place.region);
  } catch (error) {
    if (error instanceof GoogleRefusal && /cannot run builds in this region/i.test(error.said))
      return startIn('global');
    throw error;
  }
}

function isRunning({ status }: Build): boolean {
  return ['PENDING', 'QUEUED', 'WORKING', 'STATUS_UNKNOWN'].includes(status);
}

/** Failures of a build whose account has its roles only since a moment ago. */
const failuresOfFreshRoles = ['FETCH_SOURCE_FAILED', 'PUSH_NOT_AUTHORIZED', 'LOGGING_FAILURE'];

function digestOf(build: Build | undefined): string {
  if (build === undefined) {
    throw refusalOfOutcome(
      'Cloud Build has not built the image in an hour.',
      'Run the same command again: it waits on.',
    );
  }
  const digest = build.results?.images?.[0]?.digest;
  if (build.status === 'SUCCESS' && digest !== undefined) return digest;
  const { type = '', detail = build.statusDetail ?? '' } = build.failureInfo ?? {};
  throw refusalOfOutcome(
    `Cloud Build could not build the image (${build.status}${detail === '' ? '' : `: ${detail}`}).`,
    build.logUrl === undefined
      ? 'Look at the log of the build in the Google Cloud console.'
      : `Its log: ${build.logUrl}`,
    type,
  );
}

/** An answer that got lost counts too: whether a build was started by it is looked up. */
function mayBeTriedAgain({ status, said, permission, obstacle }: GoogleRefusal): boolean {
  if (obstacle === 'unreachable' || (status !== undefined && status >= 500)) return true;
  if (status === undefined) return failuresOfFreshRoles.includes(said);
  return (
    permission === 'iam.serviceAccounts.actAs' || ((status === 400 || status === 404) && /service ?account/i.test(said))
  );
}
