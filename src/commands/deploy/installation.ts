import type { CloudPlace } from '../../contracts/cloud.ts';
import { type Size, sizes } from '../../contracts/limits.ts';
import type { SecretDeclaration } from '../../contracts/secrets.ts';

/** The accounts of an installation: each may do what its work needs and nothing else (`grants.ts`). */
export const accounts = ['server', 'runner', 'build'] as const;
export type Account = (typeof accounts)[number];

/** Secrets of the service itself; no task can reference them. */
export const serviceSecrets = { apiKeys: 'runyard-api-keys', modelKey: 'runyard-anthropic-api-key' } as const;

export interface Network {
  readonly network: string;
  readonly subnet: string;
}

/** What the service is told besides what the installation is. */
export interface HandedOn {
  /** By name. */
  readonly variables: Readonly<Record<string, string>>;
  /** For people: what stays, and what they have to do. */
  readonly told: readonly string[];
}

/** All that is to be there at the end, by name. Pure. */
export interface Installation {
  readonly place: CloudPlace;
  readonly retentionDays: number;
  /** Declared for tasks; those of the environment lie outside of it. */
  readonly secrets: readonly SecretDeclaration[];
  /** Built from the package where undefined. */
  readonly givenImage: string | undefined;
  readonly withService: boolean;
  /** Nothing where there is no service. */
  readonly handedOn?: HandedOn;
  /** Name in Secret Manager of the default prompt, where it lies there. */
  readonly promptSecret?: string;
  /** What goes out of a runner goes through it; directly where undefined. */
  readonly network: Network | undefined;
}

const location = ({ project, region }: CloudPlace) => `projects/${project}/locations/${region}`;

/** Full names, as the APIs spell them. */
export const names = {
  accountId: (account: Account) => `runyard-${account}`,
  email: ({ project }: CloudPlace, account: Account) => `runyard-${account}@${project}.iam.gserviceaccount.com`,
  member: (place: CloudPlace, account: Account) => `serviceAccount:${names.email(place, account)}`,
  keyRing: ({ kmsKey }: CloudPlace) => kmsKey.replace(/\/cryptoKeys\/.*$/, ''),
  secret: ({ project }: CloudPlace, secret: string) => `projects/${project}/secrets/${secret}`,
  repository: (place: CloudPlace) => `${location(place)}/repositories/runyard`,
  image: ({ project, region }: CloudPlace) => `${region}-docker.pkg.dev/${project}/runyard/runyard`,
  builds: ({ project }: CloudPlace, region: string) => `projects/${project}/locations/${region}/builds`,
  jobId: ({ job }: CloudPlace, size: Size) => `${job}-${size}`,
  job: (place: CloudPlace, size: Size) => `${location(place)}/jobs/${names.jobId(place, size)}`,
  service: (place: CloudPlace) => `${location(place)}/services/${place.job}`,
};

export const allSizes = Object.keys(sizes) as Size[];

/** Accounts that are of use to this installation: without a build of its own there is none for building. */
export function accountsOf({ givenImage }: Installation): Account[] {
  return givenImage === undefined ? ['server', 'runner', 'build'] : ['server', 'runner'];
}

/** Names in Secret Manager that tasks may reference. */
export function declaredSecrets({ secrets }: Pick<Installation, 'secrets'>): string[] {
  const prefix = 'secret-manager:';
  const found = secrets.flatMap(({ reference }) =>
    reference.startsWith(prefix) ? [reference.slice(prefix.length)] : [],
  );
  return [...new Set(found)];
}

/** The segment of a full name that follows `kind`, such as the id of a key ring. */
export function idIn(fullName: string, kind: string): string {
  const parts = fullName.split('/');
  return parts[parts.indexOf(kind) + 1] ?? '';
}
