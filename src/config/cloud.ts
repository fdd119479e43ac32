import { z } from 'zod';
import type { CloudPlace, GoogleEndpoints } from '../contracts/cloud.ts';
import { SettingsError } from '../lib/settings.ts';
import type { ConfigSources } from './sources.ts';

const name = (pattern: RegExp, said: string) => z.string().regex(pattern, said);
const endpoint = z
  .url({ protocol: /^https?$/, error: 'must be an http or https address', abort: true })
  .refine(isPlace, 'must be an http or https address of a host and a port alone')
  .transform(withoutSlash);

function isPlace(url: string): boolean {
  const { username, password, pathname, search, hash } = new URL(url);
  return [username, password, pathname.replace(/\/+$/, ''), search, hash].every((part) => part === '');
}

function withoutSlash(url: string): string {
  return url.replace(/\/+$/, '');
}

/** Settings of the cloud: each checked by itself, together in `cloudPlace`. */
export const cloudSettings = {
  project: name(/^[a-z][a-z0-9-]{4,28}[a-z0-9]$/, 'must be the id of a Google Cloud project'),
  region: name(/^[a-z]+-[a-z]+\d+$/, 'must be a region, such as europe-west1'),
  job: name(/^[a-z][a-z0-9-]{0,40}$/, 'must begin with a letter and hold small letters, digits and -'),
  bucket: name(/^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$/, 'must be the name of a bucket'),
  kms_key: name(
    /^projects\/[^/]+\/locations\/[^/]+\/keyRings\/[^/]+\/cryptoKeys\/[^/]+$/,
    'must be projects/P/locations/L/keyRings/R/cryptoKeys/K',
  ),
  run_endpoint: endpoint,
  storage_endpoint: endpoint,
  kms_endpoint: endpoint,
  secret_manager_endpoint: endpoint,
  sts_endpoint: endpoint,
};

export type CloudValues = { readonly [Setting in keyof typeof cloudSettings]?: string | undefined };

/** Where the installation lies; undefined where no project is known. A project without a region is none. */
export function cloudPlace(values: CloudValues, env: ConfigSources['env']): CloudPlace | undefined {
  const project = values.project ?? nonEmpty(env.GOOGLE_CLOUD_PROJECT);
  const region = values.region ?? nonEmpty(env.GOOGLE_CLOUD_REGION);
  if (project === undefined || region === undefined) return undefined;
  refuseLoggedSecrets(env);
  return {
    project,
    region,
    job: values.job ?? 'runyard',
    bucket: values.bucket ?? `${project}-runyard`,
    kmsKey: values.kms_key ?? `projects/${project}/locations/${region}/keyRings/runyard/cryptoKeys/tasks`,
    endpoints: endpointsOf(values),
  };
}

/** Google's clients can be told by the environment to write every answer to stderr, values of secrets among them. */
function refuseLoggedSecrets(env: ConfigSources['env']): void {
  if (nonEmpty(env.GOOGLE_SDK_NODE_LOGGING) === undefined) return;
  throw new SettingsError(
    "GOOGLE_SDK_NODE_LOGGING is set, with which Google's clients write secrets into the log: unset it.",
  );
}

/** The same, where it must be there. */
export function requireCloudPlace(values: CloudValues, env: ConfigSources['env']): CloudPlace {
  if (nonEmpty(env.STORAGE_EMULATOR_HOST) !== undefined) {
    throw new SettingsError(
      "STORAGE_EMULATOR_HOST is set, and Google's client half obeys it: unset it, and set RUNYARD_STORAGE_ENDPOINT instead.",
    );
  }
  const place = cloudPlace(values, env);
  if (place !== undefined) return place;
  throw new SettingsError(
    'The backend cloud-run needs a project and a region: set RUNYARD_PROJECT (or GOOGLE_CLOUD_PROJECT) and RUNYARD_REGION.',
  );
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}

function endpointsOf(values: CloudValues): GoogleEndpoints {
  const all = {
    run: values.run_endpoint,
    storage: values.storage_endpoint,
    kms: values.kms_endpoint,
    secretManager: values.secret_manager_endpoint,
    sts: values.sts_endpoint,
  };
  return Object.fromEntries(Object.entries(all).filter(([, url]) => url !== undefined));
}
