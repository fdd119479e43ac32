import { accountStep } from './accounts.ts';
import { apisStep } from './apis.ts';
import { bucketStep } from './bucket.ts';
import type { BuildMaterial } from './build.ts';
import type { GoogleRest } from './google-rest.ts';
import { type Resource, secretsOfServer } from './grants.ts';
import { builtImageStep, givenImageStep, type PinnedImage } from './image.ts';
import { accountsOf, allSizes, type Installation, names } from './installation.ts';
import { jobStep } from './jobs.ts';
import { keyRingStep, keyStep } from './keys.ts';
import { repositoryStep } from './repository.ts';
import { rolesSteps } from './roles.ts';
import { secretStep } from './secrets.ts';
import { serviceStep } from './service.ts';
import type { Step } from './step.ts';

/**
 * All of an installation, in the order in which it is made; removed in the reverse one. Roles follow the thing that
 * they are on, so that nothing exists for long without its own. What is only taken away needs no `material`.
 */
export function stepsOf(installation: Installation, rest: GoogleRest, material: BuildMaterial | undefined): Step[] {
  const { place, givenImage, withService } = installation;
  const image: PinnedImage = { pinned: undefined };
  const roles = (kind: Resource['kind'], name: string) => rolesSteps(installation, rest, { kind, name });
  return [
    apisStep(installation, rest),
    ...accountsOf(installation).map((account) => accountStep(installation, rest, account)),
    ...roles('project', `projects/${place.project}`),
    bucketStep(installation, rest),
    ...roles('bucket', place.bucket),
    keyRingStep(installation, rest),
    keyStep(installation, rest),
    ...roles('key', place.kmsKey),
    ...secretsOfServer(installation).flatMap((secret) => [
      secretStep(installation, rest, secret),
      ...roles('secret', names.secret(place, secret)),
    ]),
    ...(givenImage === undefined
      ? [
          repositoryStep(installation, rest),
          ...roles('repository', names.repository(place)),
          ...(material === undefined ? [] : [builtImageStep(installation, rest, image, material)]),
        ]
      : [givenImageStep(installation, rest, image, givenImage)]),
    ...allSizes.flatMap((size) => [jobStep(installation, rest, size, image), ...roles('job', names.job(place, size))]),
    ...(withService ? [serviceStep(installation, rest, image)] : []),
  ];
}
