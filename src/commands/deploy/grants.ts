import { type Account, allSizes, declaredSecrets, type Installation, names, serviceSecrets } from './installation.ts';

/** Something that has an access policy of its own. `name` is the full one; of a bucket its name alone. */
export interface Resource {
  readonly kind: 'bucket' | 'key' | 'secret' | 'repository' | 'job' | 'project';
  readonly name: string;
}

/** One role for one account on one resource. */
export interface Grant {
  readonly account: Account;
  readonly role: string;
  readonly on: Resource;
  /** Only where this holds. */
  readonly condition?: { readonly title: string; readonly expression: string };
  readonly why: string;
}

/** Who may do what: everything that a deployment grants, and nothing else. Pure. */
export function grantsOf(installation: Installation): Grant[] {
  const { place, givenImage } = installation;
  const bucket: Resource = { kind: 'bucket', name: place.bucket };
  const key: Resource = { kind: 'key', name: place.kmsKey };
  const below = (prefix: string, title: string) => ({
    title,
    expression: `resource.name.startsWith('projects/_/buckets/${place.bucket}/objects/${prefix}')`,
  });
  return [
    {
      account: 'server',
      role: 'roles/storage.objectUser',
      on: bucket,
      why: 'creates, reads, lists and deletes the objects of tasks; lends a runner the right to read its own',
    },
    {
      account: 'runner',
      role: 'roles/storage.objectCreator',
      on: bucket,
      condition: below('tasks/', 'runyard-tasks'),
      why: 'leaves claims, events, artifacts and results; reads, lists, overwrites and deletes none',
    },
    {
      account: 'runner',
      role: 'roles/storage.legacyObjectReader',
      on: bucket,
      condition: below('inputs/', 'runyard-inputs'),
      why: 'reads inputs whose hash its task names; cannot list them',
    },
    ...(givenImage === undefined ? buildGrants(installation, below('deploy/', 'runyard-deploy')) : []),
    {
      account: 'server',
      role: 'roles/cloudkms.cryptoKeyEncrypterDecrypter',
      on: key,
      why: 'seals what is private in a task, and opens what it sealed',
    },
    {
      account: 'runner',
      role: 'roles/cloudkms.cryptoKeyDecrypter',
      on: key,
      why: 'opens the sealed part of its task, which it can read with a token for that task only',
    },
    ...secretsOfServer(installation).map(
      (secret): Grant => ({
        account: 'server',
        role: 'roles/secretmanager.secretAccessor',
        on: { kind: 'secret', name: names.secret(place, secret) },
        why: whyRead(installation, secret),
      }),
    ),
    ...allSizes.flatMap((size): Grant[] => {
      const on: Resource = { kind: 'job', name: names.job(place, size) };
      return [
        {
          account: 'server',
          role: 'roles/run.jobsExecutorWithOverrides',
          on,
          why: 'starts and cancels executions; cannot change the job, so it needs no right to act as the runner',
        },
        { account: 'server', role: 'roles/run.viewer', on, why: 'sees how an execution ended' },
      ];
    }),
  ];
}

function buildGrants({ place }: Installation, condition: NonNullable<Grant['condition']>): Grant[] {
  return [
    {
      account: 'build',
      role: 'roles/storage.objectViewer',
      on: { kind: 'bucket', name: place.bucket },
      condition,
      why: 'reads the archive that the image is built from',
    },
    {
      account: 'build',
      role: 'roles/artifactregistry.writer',
      on: { kind: 'repository', name: names.repository(place) },
      why: 'pushes the image',
    },
    {
      account: 'build',
      role: 'roles/logging.logWriter',
      on: { kind: 'project', name: `projects/${place.project}` },
      why: 'writes the log of the build; Google has this role on projects only',
    },
  ];
}

function whyRead(installation: Installation, secret: string): string {
  if ((Object.values(serviceSecrets) as string[]).includes(secret))
    return 'given to the service at its start; no task can reference it';
  return declaredSecrets(installation).includes(secret)
    ? 'reads the latest value for each task that references it; runners never read secrets'
    : 'reads the default prompt for each Claude task';
}

/** All secrets that the server's account reads. */
export function secretsOfServer(installation: Installation): string[] {
  const own = installation.withService ? Object.values(serviceSecrets) : [];
  const prompt = installation.promptSecret === undefined ? [] : [installation.promptSecret];
  return [...new Set([...own, ...declaredSecrets(installation), ...prompt])];
}

export function grantsOn(installation: Installation, { kind, name }: Resource): Grant[] {
  return grantsOf(installation).filter(({ on }) => on.kind === kind && on.name === name);
}
