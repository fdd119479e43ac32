import { z } from 'zod';
import { SettingsError } from '../../lib/settings.ts';
import { dockerfile } from './archive.ts';
import { type BuildMaterial, buildImage, buildRecipe } from './build.ts';
import type { GoogleRest } from './google-rest.ts';
import { type Installation, names } from './installation.ts';
import { refusalOfOutcome } from './refusal.ts';
import { gcloud, writeJson } from './shell.ts';
import { goesWithOthers, type Step } from './step.ts';

/** The image that jobs and service get, by digest: a tag could be moved under them. */
export interface PinnedImage {
  /** `HOST/PATH@sha256:…`, once it was found or built. */
  pinned: string | undefined;
}

/** In lines for a shell: what the image step's last line leaves. */
export const imageVariable = '"$IMAGE"';

const tagSchema = z.looseObject({ version: z.string() });

/** The image of this very package, built once for each state of its files. */
export function builtImageStep(
  installation: Installation,
  rest: GoogleRest,
  image: PinnedImage,
  { files, tell }: BuildMaterial,
): Step {
  const { place } = installation;
  const base = names.image(place);
  const tag = `${files.version}-${files.sha256.slice(0, 12)}`;
  const tagged = `${base}:${tag}`;
  const path = `/v1/${names.repository(place)}/packages/runyard/tags/${tag}`;
  const look = async () => {
    const digest = await digestAt(rest, path);
    if (digest !== undefined) image.pinned = `${base}@${digest}`;
    return digest;
  };
  const recipe = buildRecipe(place, tagged);
  const recipeFile = 'runyard-build.json';
  return {
    title: `Image ${tag}`,
    makes: [
      `built by Cloud Build from the files of this package (${dockerfile}), some minutes`,
      `kept as ${base}, used by its digest`,
    ],
    gcloud: [
      writeJson(recipeFile, recipe),
      gcloud(
        ...[
          'builds',
          'submit',
          files.root,
          `--config=${recipeFile}`,
          `--gcs-source-staging-dir=gs://${place.bucket}/deploy`,
        ],
        ...[`--region=${place.region}`, `--project=${place.project}`],
      ),
      digestLine(tagged),
    ],
    async look() {
      return { state: (await look()) === undefined ? 'missing' : 'there' };
    },
    async make() {
      if ((await look()) !== undefined) return undefined;
      const digest = await buildImage({ place, rest, tagged, files, tell });
      image.pinned = `${base}@${digest}`;
      return undefined;
    },
    end: goesWithOthers,
  };
}

/** An image that was named; nothing is built. */
export function givenImageStep({ place }: Installation, rest: GoogleRest, image: PinnedImage, ref: string): Step {
  const parsed = parseImage(ref);
  const pin = async () => {
    image.pinned ??= `${parsed.base}@${parsed.digest ?? (await digestOfTag(rest, parsed))}`;
  };
  const digestGiven = parsed.digest !== undefined;
  return {
    title: `Image ${ref}`,
    makes: [
      digestGiven ? 'as it was named' : 'the digest that its tag has now',
      `Cloud Run must be allowed to read it; in another project than ${place.project} grant roles/artifactregistry.reader to Cloud Run's service agent`,
    ],
    gcloud: [digestGiven ? `IMAGE='${parsed.base}@${parsed.digest}'` : digestLine(`${parsed.base}:${parsed.tag}`)],
    async look() {
      await pin();
      return { state: 'there' };
    },
    async make() {
      await pin();
      return undefined;
    },
    end: goesWithOthers,
  };
}

interface ImageName {
  /** Without tag and digest. */
  readonly base: string;
  readonly tag: string;
  readonly digest: string | undefined;
}

const imagePattern =
  /^([a-z0-9][a-z0-9.-]*\.[a-z]{2,}(?::\d+)?(?:\/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)+)(?::([\w][\w.-]{0,127}))?(?:@(sha256:[0-9a-f]{64}))?$/;

/** Throws SettingsError where it is no name of an image with its host. */
export function parseImage(ref: string): ImageName {
  const [, base, tag = 'latest', digest] = imagePattern.exec(ref) ?? [];
  if (base === undefined) {
    throw new SettingsError(`--image must be HOST/PATH[:TAG] or HOST/PATH@sha256:DIGEST; "${ref}" is neither.`);
  }
  if (digest === undefined && artifactRegistryOf(base) === undefined) {
    throw new SettingsError(
      `--image ${ref}: tags are looked up in Artifact Registry only. Name the image by its digest: ${base}@sha256:…`,
    );
  }
  return { base, tag, digest };
}

/** The package of an image in Artifact Registry; undefined where it lies elsewhere. */
function artifactRegistryOf(base: string): string | undefined {
  const [, location, project, repository, rest] =
    /^([a-z0-9-]+)-docker\.pkg\.dev\/([^/]+)\/([^/]+)\/(.+)$/.exec(base) ?? [];
  if (rest === undefined) return undefined;
  const where = `projects/${project}/locations/${location}/repositories/${repository}`;
  return `${where}/packages/${encodeURIComponent(rest)}`;
}

async function digestOfTag(rest: GoogleRest, { base, tag }: ImageName): Promise<string> {
  const digest = await digestAt(rest, `/v1/${artifactRegistryOf(base)}/tags/${tag}`);
  if (digest !== undefined) return digest;
  throw refusalOfOutcome(`There is no image ${base}:${tag}.`, 'Push it first, or correct --image.');
}

async function digestAt(rest: GoogleRest, path: string): Promise<string | undefined> {
  const found = await rest.find({ api: 'artifactRegistry', path }, tagSchema);
  return found?.version.slice(found.version.lastIndexOf('/') + 1);
}

function digestLine(tagged: string): string {
  const describe = gcloud(
    'artifacts',
    'docker',
    'images',
    'describe',
    tagged,
    '--format=value(image_summary.fully_qualified_digest)',
  );
  return `IMAGE=$(${describe})`;
}
