import type { Policies } from './admin-policies.ts';
import { fullName, isGranted } from './policy.ts';

/** What a build does as its account. */
export interface BuildActs {
  readonly account: string;
  readonly project: string;
  /** The archive, in a bucket. */
  readonly source: { readonly bucket: string; readonly object: string };
  /** Full name of the repository that the image is pushed to. */
  readonly repository: string;
}

/** Why the build fails, in Cloud Build's words; undefined where its account may do all that it takes. */
export function failureOfBuild(policies: Policies, build: BuildActs): { type: string; detail: string } | undefined {
  const { account, source, repository, project } = build;
  const bindings = Object.entries(policies.all()).flatMap(([resource, policy]) =>
    policy.bindings.map((binding) => ({ ...binding, resource: fullName(resource) })),
  );
  const acts = [
    {
      type: 'FETCH_SOURCE_FAILED',
      permission: 'storage.objects.get',
      resource: `projects/_/buckets/${source.bucket}/objects/${source.object}`,
    },
    { type: 'LOGGING_FAILURE', permission: 'logging.logEntries.create', resource: `projects/${project}` },
    {
      type: 'PUSH_NOT_AUTHORIZED',
      permission: 'artifactregistry.repositories.uploadArtifacts',
      resource: repository,
    },
  ];
  const missing = acts.find(({ permission, resource }) => !isGranted(bindings, { account, permission, resource }));
  if (missing === undefined) return undefined;
  const { type, permission, resource } = missing;
  return { type, detail: `${account} does not have ${permission} access to ${resource} (or it may not exist)` };
}
