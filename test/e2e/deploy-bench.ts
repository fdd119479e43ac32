import { afterEach } from 'vitest';
import type { AdminOptions } from '../fakes/google/admin-world.ts';
import { permissionDenied } from '../fakes/google/failure.ts';
import { type Cloud, openCloud, project, region, writePackage } from './deploy-cloud.ts';

/** A project that ends with the test, and how its parts are called. */

export const opened: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0)) await close();
});

export async function open(
  options: AdminOptions = {},
  contents: Readonly<Record<string, string>> = {},
): Promise<Cloud> {
  const files = writePackage(contents);
  const cloud = await openCloud(options, files.root);
  opened.push(() => cloud.close(), files.remove);
  return cloud;
}

export const member = (account: string) => `serviceAccount:runyard-${account}@${project}.iam.gserviceaccount.com`;
export const jobs = `projects/${project}/locations/${region}/jobs`;
export const digest = `sha256:${'0123456789abcdef'.repeat(4)}`;
export const given = `europe-docker.pkg.dev/other-project/images/runyard@${digest}`;

export function denied(permission: string) {
  return permissionDenied(permission, `projects/${project}/locations/${region}`, 'cloudkms.googleapis.com');
}

export function imageOf(cloud: Cloud): string {
  const job = cloud.state().run[`${jobs}/runyard-small`] as {
    template: { template: { containers: { image: string }[] } };
  };
  return job.template.template.containers[0]!.image;
}

export function serviceEnv(cloud: Cloud): string[] {
  const service = cloud.state().run[`projects/${project}/locations/${region}/services/runyard`] as {
    template: { containers: { env: { name: string }[] }[] };
  };
  return service.template.containers[0]!.env.map(({ name }) => name);
}

export async function accessed(cloud: Cloud, secret: string): Promise<string> {
  const answer = await fetch(`${cloud.secrets.url}/v1/projects/${project}/secrets/${secret}/versions/latest:access`);
  const { payload } = (await answer.json()) as { payload: { data: string } };
  return Buffer.from(payload.data, 'base64').toString();
}
