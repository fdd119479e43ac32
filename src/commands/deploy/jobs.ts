import { z } from 'zod';
import type { CloudPlace, GoogleEndpoints } from '../../contracts/cloud.ts';
import { limits, type Size, sizes } from '../../contracts/limits.ts';
import { firstDifference } from './covers.ts';
import type { GoogleRest } from './google-rest.ts';
import { imageVariable, type PinnedImage } from './image.ts';
import { type Installation, type Network, names } from './installation.ts';
import { finished, operation } from './operations.ts';
import type { GoogleRefusal } from './refusal.ts';
import { gcloud } from './shell.ts';
import type { Step } from './step.ts';

/** The runner ends a run before the platform does, and each execution says its own time besides. */
export const jobTimeoutSeconds = limits.timeoutSecondsMax + 3600;

export const waitingForRun = { api: 'run', version: 'v2', withinMs: 10 * 60_000 } as const;

const vpcAccess = z.looseObject({ egress: z.string().optional() });
const jobSchema = z.looseObject({
  template: z.looseObject({ template: z.looseObject({ vpcAccess: vpcAccess.optional() }) }),
});
type Job = z.infer<typeof jobSchema>;

export function gibibytes(size: Size): number {
  return sizes[size].memoryBytes / 1024 ** 3;
}

/** Where store and seal are; what to do comes with each execution. */
export function placeEnvironment({ project, region, bucket, kmsKey, endpoints }: CloudPlace): Record<string, string> {
  const settings: Readonly<Record<keyof GoogleEndpoints, string>> = {
    run: 'RUNYARD_RUN_ENDPOINT',
    storage: 'RUNYARD_STORAGE_ENDPOINT',
    kms: 'RUNYARD_KMS_ENDPOINT',
    secretManager: 'RUNYARD_SECRET_MANAGER_ENDPOINT',
    sts: 'RUNYARD_STS_ENDPOINT',
  };
  const custom = (Object.keys(settings) as (keyof GoogleEndpoints)[]).flatMap((name) => {
    const url = endpoints[name];
    return url === undefined ? [] : [[settings[name], url]];
  });
  return {
    RUNYARD_PROJECT: project,
    RUNYARD_REGION: region,
    RUNYARD_BUCKET: bucket,
    RUNYARD_KMS_KEY: kmsKey,
    ...Object.fromEntries(custom),
  };
}

export function vpcAccessOf({ network, subnet }: Network) {
  return { egress: 'ALL_TRAFFIC', networkInterfaces: [{ network, subnetwork: subnet }] };
}

/** The job as Cloud Run is told it. Google's own wall inside of it is a preview, hence the launch stage. Pure. */
export function jobBody({ place, network }: Installation, size: Size, image: string) {
  return {
    launchStage: 'BETA',
    template: {
      taskCount: 1,
      template: {
        maxRetries: 0,
        timeout: `${jobTimeoutSeconds}s`,
        serviceAccount: names.email(place, 'runner'),
        executionEnvironment: 'EXECUTION_ENVIRONMENT_GEN2',
        containers: [
          {
            image,
            env: Object.entries(placeEnvironment(place)).map(([name, value]) => ({ name, value })),
            resources: { limits: { cpu: `${sizes[size].cpus}`, memory: `${gibibytes(size)}Gi` } },
            sandboxLauncher: true,
          },
        ],
        ...(network === undefined ? {} : { vpcAccess: vpcAccessOf(network) }),
      },
    },
  };
}

export function jobStep(installation: Installation, rest: GoogleRest, size: Size, image: PinnedImage): Step {
  const { place, network } = installation;
  const { project, region } = place;
  const id = names.jobId(place, size);
  const path = `/v2/${names.job(place, size)}`;
  const find = () => rest.find({ api: 'run', path }, jobSchema);
  const difference = (job: Job) =>
    image.pinned === undefined
      ? 'template.template.containers[0].image'
      : firstDifference(job, jobBody(installation, size, image.pinned));

  const make = async () => {
    const there = await find();
    if (there !== undefined && difference(there) === undefined) return;
    const body = jobBody(installation, size, image.pinned ?? '');
    // Made with a network once, a job keeps it: without --vpc nothing is said about networks.
    const kept = network === undefined ? there?.template.template.vpcAccess : undefined;
    if (kept !== undefined) Object.assign(body.template.template, { vpcAccess: kept });
    const query = { allowMissing: 'true' };
    const started = await rest.send({ api: 'run', method: 'PATCH', path, query, body }, operation);
    await finished(rest, started, { ...waitingForRun, what: `making the job ${id}`, project });
  };

  const egress =
    network === undefined
      ? []
      : [`--network=${network.network}`, `--subnet=${network.subnet}`, '--vpc-egress=all-traffic'];
  const environment = Object.entries(placeEnvironment(place)).map(([name, value]) => `${name}=${value}`);
  return {
    title: `Job ${id}`,
    makes: [
      `${sizes[size].cpus} CPU, ${gibibytes(size)} GiB, at most ${jobTimeoutSeconds / 3600} hours, never tried again by the platform; second generation, with Google's sandbox launcher`,
      ...(network === undefined
        ? []
        : [
            `all its traffic goes through ${network.network}/${network.subnet}, which needs Cloud NAT to reach models, and Private Google Access`,
          ]),
    ],
    gcloud: [
      gcloud(
        ...[
          'beta',
          'run',
          'jobs',
          'deploy',
          id,
          `--image=${imageVariable}`,
          '--sandbox-launcher',
          `--cpu=${sizes[size].cpus}`,
        ],
        ...[`--memory=${gibibytes(size)}Gi`, '--tasks=1', '--max-retries=0', `--task-timeout=${jobTimeoutSeconds}s`],
        ...[`--service-account=${names.email(place, 'runner')}`, `--set-env-vars=${environment.join(',')}`, ...egress],
        ...[`--region=${region}`, `--project=${project}`],
      ),
    ],
    async look() {
      const there = await find();
      if (there === undefined) return { state: 'missing' };
      const how = difference(there);
      return how === undefined ? { state: 'there' } : { state: 'differs', how };
    },
    async make() {
      await rest.settled(make, isNotSettled);
      return undefined;
    },
    end: {
      goes: true,
      async remove() {
        const started = await rest.find({ api: 'run', method: 'DELETE', path }, operation);
        if (started === undefined) return false;
        await finished(rest, started, { ...waitingForRun, what: `deleting the job ${id}`, project });
        return true;
      },
    },
  };
}

/** The runner's account, or Cloud Run's own that reads the image, are not known everywhere a moment after they were made. */
export function isNotSettled({ status, said, permission }: GoogleRefusal): boolean {
  if (permission === 'iam.serviceAccounts.actAs' || /iam\.serviceaccounts\.actas/i.test(said)) return true;
  return (
    (status === 400 || status === 403 || status === 404) &&
    /service ?account|service agent|must have permission to read the image/i.test(said)
  );
}
