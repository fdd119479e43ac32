/**
 * What each role that `deploy` grants may do, as far as the services here ask for it; from Google's list of roles. What
 * is left out only sees projects, folders and places, which nothing here has.
 */
const permissionsOfRole: Readonly<Record<string, readonly string[]>> = {
  'roles/storage.objectUser': [
    'storage.objects.create',
    'storage.objects.delete',
    'storage.objects.get',
    'storage.objects.list',
    'storage.objects.move',
    'storage.objects.restore',
    'storage.objects.update',
    'storage.multipartUploads.abort',
    'storage.multipartUploads.create',
    'storage.multipartUploads.list',
    'storage.multipartUploads.listParts',
  ],
  'roles/storage.objectCreator': [
    'storage.objects.create',
    'storage.multipartUploads.abort',
    'storage.multipartUploads.create',
    'storage.multipartUploads.listParts',
  ],
  'roles/storage.objectViewer': ['storage.objects.get', 'storage.objects.list'],
  'roles/storage.legacyObjectReader': ['storage.objects.get'],
  'roles/cloudkms.cryptoKeyEncrypterDecrypter': [
    'cloudkms.cryptoKeyVersions.useToDecrypt',
    'cloudkms.cryptoKeyVersions.useToEncrypt',
  ],
  'roles/cloudkms.cryptoKeyDecrypter': ['cloudkms.cryptoKeyVersions.useToDecrypt'],
  'roles/secretmanager.secretAccessor': ['secretmanager.versions.access'],
  'roles/run.jobsExecutorWithOverrides': ['run.executions.cancel', 'run.jobs.run', 'run.jobs.runWithOverrides'],
  'roles/run.viewer': [
    'run.executions.get',
    'run.executions.list',
    'run.jobs.get',
    'run.jobs.getIamPolicy',
    'run.jobs.list',
    'run.operations.get',
    'run.operations.list',
    'run.tasks.get',
    'run.tasks.list',
  ],
  'roles/artifactregistry.writer': [
    'artifactregistry.repositories.downloadArtifacts',
    'artifactregistry.repositories.get',
    'artifactregistry.repositories.uploadArtifacts',
  ],
  'roles/logging.logWriter': ['logging.logEntries.create'],
};

/** The names of all roles that are known here. */
export const knownRoles: readonly string[] = Object.keys(permissionsOfRole);

/** Throws for a role that is not in the table: to know nothing of it must not pass for a denial. */
export function roleHolds(role: string, permission: string): boolean {
  const permissions = permissionsOfRole[role];
  if (permissions === undefined) throw new Error(`the table of roles does not know ${role}`);
  return permissions.includes(permission);
}
