import { z } from 'zod';
import type { SecretDeclaration } from '../../contracts/secrets.ts';
import { firstDifference } from './covers.ts';
import type { GoogleRest } from './google-rest.ts';
import { imageVariable, type PinnedImage } from './image.ts';
import { type Installation, names, serviceSecrets } from './installation.ts';
import { isNotSettled, placeEnvironment, waitingForRun } from './jobs.ts';
import { finished, operation } from './operations.ts';
import { hasValue } from './secrets.ts';
import { gcloud, gcloudList } from './shell.ts';
import type { Step } from './step.ts';

/** What one instance has; it sweeps and tells webhooks between requests, so it is never without processor. */
export const serviceSize = { cpus: 1, gibibytes: 1 } as const;
const instancesMax = 3;
const port = 8080;
/** Waiting calls hold a request each and cost next to nothing. */
const concurrency = 1000;
const requestTimeoutSeconds = 3600;
/** In place of the image's entry, which is the runner. */
export const serverCommand = ['/usr/bin/tini', '--', 'node', '/opt/runyard/dist/main.js'];
const serverArguments = ['serve', '--http', `0.0.0.0:${port}`];

const serviceSchema = z.looseObject({ uri: z.string().optional() });

/** The server as a Cloud Run service. `withModelKey`: whether its secret has a value; without one there is no variable. */
export function serviceBody(installation: Installation, image: string, withModelKey: boolean) {
  const { place } = installation;
  const secret = (name: string, id: string) => ({
    name,
    valueSource: { secretKeyRef: { secret: id, version: 'latest' } },
  });
  return {
    ingress: 'INGRESS_TRAFFIC_ALL',
    template: {
      serviceAccount: names.email(place, 'server'),
      executionEnvironment: 'EXECUTION_ENVIRONMENT_GEN2',
      timeout: `${requestTimeoutSeconds}s`,
      maxInstanceRequestConcurrency: concurrency,
      scaling: { minInstanceCount: 1, maxInstanceCount: instancesMax },
      containers: [
        {
          image,
          command: serverCommand,
          args: serverArguments,
          ports: [{ containerPort: port }],
          env: [
            ...Object.entries(serviceEnvironment(installation)).map(([name, value]) => ({ name, value })),
            secret('RUNYARD_API_KEYS', serviceSecrets.apiKeys),
            ...(withModelKey ? [secret('ANTHROPIC_API_KEY', serviceSecrets.modelKey)] : []),
          ],
          resources: {
            limits: { cpu: `${serviceSize.cpus}`, memory: `${serviceSize.gibibytes}Gi` },
            cpuIdle: false,
            startupCpuBoost: true,
          },
          startupProbe: {
            httpGet: { path: '/readyz', port },
            periodSeconds: 3,
            timeoutSeconds: 3,
            failureThreshold: 40,
          },
          livenessProbe: {
            httpGet: { path: '/healthz', port },
            periodSeconds: 30,
            timeoutSeconds: 5,
            failureThreshold: 3,
          },
        },
      ],
    },
  };
}

function serviceEnvironment({ place, retentionDays, secrets, handedOn }: Installation): Record<string, string> {
  const declared = secrets.filter(({ reference }) => reference.startsWith('secret-manager:')).map(declarationText);
  return {
    RUNYARD_BACKEND: 'cloud-run',
    RUNYARD_JOB: place.job,
    ...placeEnvironment(place),
    RUNYARD_RETENTION_DAYS: `${retentionDays}`,
    ...(declared.length === 0 ? {} : { RUNYARD_SECRETS: declared.join(',') }),
    ...handedOn?.variables,
  };
}

/** As it stands in RUNYARD_SECRETS. */
function declarationText({ reference, uses, owner }: SecretDeclaration): string {
  const words = uses.map(
    ({ use, host, port }) => `${use}${host === undefined ? '' : `@${host}`}${port === undefined ? '' : `:${port}`}`,
  );
  return [reference, ...words, ...(owner === undefined ? [] : [`for=${owner}`])].join(' ');
}

export function serviceStep(installation: Installation, rest: GoogleRest, image: PinnedImage): Step {
  const { place, handedOn = { variables: {}, told: [] } } = installation;
  const { project, region, job: id } = place;
  const path = `/v2/${names.service(place)}`;
  const find = () => rest.find({ api: 'run', path }, serviceSchema);
  const wanted = async () =>
    serviceBody(installation, image.pinned ?? '', await hasValue(installation, rest, serviceSecrets.modelKey));
  const difference = async (present: unknown) =>
    image.pinned === undefined ? 'template.containers[0].image' : firstDifference(present, await wanted());

  const make = async (): Promise<string> => {
    const there = await find();
    if (there === undefined || (await difference(there)) !== undefined) {
      const query = { allowMissing: 'true' };
      const started = await rest.send({ api: 'run', method: 'PATCH', path, query, body: await wanted() }, operation);
      await finished(rest, started, { ...waitingForRun, what: `making the service ${id}`, project });
    }
    return `it answers at ${(await find())?.uri ?? 'an address that Cloud Run still has to give'}. ${[howToCall(installation), ...handedOn.told].join(' ')}`;
  };

  const settings = Object.keys(handedOn.variables);
  const variables = Object.entries(serviceEnvironment(installation)).map(([name, value]) => `${name}=${value}`);
  return {
    title: `Service ${id}`,
    makes: [
      `runyard ${serverArguments.join(' ')}, ${serviceSize.cpus} CPU, ${serviceSize.gibibytes} GiB, always allocated, one instance always there, at most ${instancesMax}; ready when /readyz says so`,
      `Cloud Run lets nobody call it until you grant roles/run.invoker; who calls needs a key of ${serviceSecrets.apiKeys} besides`,
      `${serviceSecrets.modelKey} becomes ANTHROPIC_API_KEY once it has a value (run deploy again then)`,
      ...(settings.length === 0 ? [] : [`it gets these settings as they are here now: ${settings.join(', ')}`]),
      ...handedOn.told,
    ],
    gcloud: [
      gcloud(
        ...[
          'run',
          'deploy',
          id,
          `--image=${imageVariable}`,
          `--command=${serverCommand.join(',')}`,
          `--args=${serverArguments.join(',')}`,
        ],
        ...[`--service-account=${names.email(place, 'server')}`, '--execution-environment=gen2', `--port=${port}`],
        ...[`--cpu=${serviceSize.cpus}`, `--memory=${serviceSize.gibibytes}Gi`, '--no-cpu-throttling', '--cpu-boost'],
        ...[
          '--min-instances=1',
          `--max-instances=${instancesMax}`,
          `--concurrency=${concurrency}`,
          `--timeout=${requestTimeoutSeconds}`,
        ],
        ...[
          `--set-env-vars=${gcloudList(variables)}`,
          `--set-secrets=RUNYARD_API_KEYS=${serviceSecrets.apiKeys}:latest`,
        ],
        ...['--startup-probe=httpGet.path=/readyz,periodSeconds=3,timeoutSeconds=3,failureThreshold=40'],
        ...['--liveness-probe=httpGet.path=/healthz,periodSeconds=30,timeoutSeconds=5,failureThreshold=3'],
        ...['--no-allow-unauthenticated', `--region=${region}`, `--project=${project}`],
      ),
    ],
    async look() {
      const there = await find();
      if (there === undefined) return { state: 'missing' };
      const how = await difference(there);
      return how === undefined ? { state: 'there' } : { state: 'differs', how };
    },
    make: () => rest.settled(make, isNotSettled),
    end: {
      goes: true,
      async remove() {
        const started = await rest.find({ api: 'run', method: 'DELETE', path }, operation);
        if (started === undefined) return false;
        await finished(rest, started, { ...waitingForRun, what: `deleting the service ${id}`, project });
        return true;
      },
    },
  };
}

/** Nobody may, at first: that is the operator's to say. */
function howToCall({ place: { project, region, job } }: Installation): string {
  const allow = (member: string) =>
    gcloud(
      'run',
      'services',
      'add-iam-policy-binding',
      job,
      `--member=${member}`,
      '--role=roles/run.invoker',
      `--region=${region}`,
      `--project=${project}`,
    );
  return (
    `Nobody may call it yet. For yourself: ${allow('user:YOU@EXAMPLE.COM')} (then send an identity token as ` +
    `X-Serverless-Authorization beside the key). For everybody who has a key: ${allow('allUsers')}`
  );
}

/** Whether a service is there: one that was made once is kept up to date also without --service. */
export async function serviceExists({ place }: Installation, rest: GoogleRest): Promise<boolean> {
  return (await rest.find({ api: 'run', path: `/v2/${names.service(place)}` }, serviceSchema)) !== undefined;
}
