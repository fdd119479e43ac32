import type { Config } from '../../../config.ts';
import type { CloudPlace } from '../../../contracts/cloud.ts';
import type { Finding } from '../../../contracts/sandbox.ts';
import { type ApiName, createGoogleRest, planPatience } from '../../deploy/google-rest.ts';
import { allSizes, type Installation } from '../../deploy/installation.ts';
import { refusalOfCredentials } from '../../deploy/refusal.ts';
import { isComplete } from '../complete.ts';
import { bucketFinding } from './bucket.ts';
import { clockFinding } from './clock.ts';
import { jobFinding } from './jobs.ts';
import { keyFinding } from './key.ts';
import { findLogin } from './login.ts';
import { type CloudView, patienceMs } from './look.ts';
import { projectFinding } from './project.ts';
import { rightsFindings } from './rights.ts';
import { rolesFinding } from './roles.ts';
import { tokenFinding } from './task-token.ts';

export { cloudTrial } from './trial.ts';

export interface CloudLooks {
  readonly findings: readonly Finding[];
  /** Whether a task could run, by all that was seen. */
  readonly canTry: boolean;
}

/**
 * Looks at everything that a server needs of an installation, with the credentials of this process. Changes nothing and
 * costs nothing. Where Google cannot be asked at all, that is all it tells.
 */
export async function lookAtCloud(
  place: CloudPlace,
  { secrets, retentionDays }: Pick<Config, 'secrets' | 'retentionDays'>,
  endpointOf: (api: ApiName) => string,
): Promise<CloudLooks> {
  const emulated = isEmulated(place);
  const [clock, login] = await Promise.all([clockFinding(place), findLogin(place, emulated)]);
  const first = [login.finding, clock];
  if (!isComplete(first)) return { findings: first, canTry: false };

  const stop = new AbortController();
  const installation: Installation = { ...{ place, secrets, retentionDays }, ...asServed };
  const rest = createGoogleRest({
    project: place.project,
    endpointOf: emulated ? emulatorsOnly(endpointOf) : endpointOf,
    patience: { ...planPatience, retryMs: patienceMs },
    signal: stop.signal,
  });
  try {
    return await lookAround({ installation, rest, who: login.who, emulated }, first);
  } finally {
    // What was given up is not waited for.
    stop.abort();
  }
}

async function lookAround(view: CloudView, first: readonly Finding[]): Promise<CloudLooks> {
  const project = await projectFinding(view);
  if (!isComplete([project])) return { findings: [...first, project], canTry: false };
  const [bucket, key, token, roles, rights, jobs] = await Promise.all([
    bucketFinding(view),
    keyFinding(view),
    tokenFinding(view),
    rolesFinding(view),
    rightsFindings(view),
    Promise.all(allSizes.map((size) => jobFinding(view, size))),
  ]);
  const ofSmall = jobs.slice(0, 1);
  return {
    findings: [...first, project, bucket, key, ...jobs, ...rights, roles, token],
    canTry: isComplete([bucket, key, token, ...rights, ...ofSmall]),
  };
}

/** What only a deployment is told, and no server needs. */
const asServed = { givenImage: undefined, withService: false, network: undefined } as const;

function isEmulated({ endpoints: { run, storage, kms, secretManager, sts } }: CloudPlace): boolean {
  return [run, storage, kms, secretManager, sts].every((url) => url?.startsWith('http:'));
}

/** Google itself is not told of what somebody tries on emulators. */
function emulatorsOnly(endpointOf: (api: ApiName) => string) {
  return (api: ApiName): string => {
    const url = endpointOf(api);
    if (url.startsWith('http:')) return url;
    throw refusalOfCredentials(new Error(`there is no emulator at ${url}`));
  };
}
