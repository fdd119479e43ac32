import { z } from 'zod';
import type { Size } from '../../../contracts/limits.ts';
import type { Finding } from '../../../contracts/sandbox.ts';
import { firstDifference } from '../../deploy/covers.ts';
import { type Installation, names } from '../../deploy/installation.ts';
import { gibibytes, jobBody, placeEnvironment } from '../../deploy/jobs.ts';
import { type CloudView, deployAgain, look, type Told } from './look.ts';

const variable = z.looseObject({ name: z.string(), value: z.string().optional() });
const container = z.looseObject({
  image: z.string().default(''),
  env: z.array(variable).default([]),
  sandboxLauncher: z.boolean().optional(),
});
const jobSchema = z.looseObject({
  terminalCondition: z.looseObject({ state: z.string().optional(), message: z.string().optional() }).optional(),
  template: z.looseObject({
    template: z.looseObject({
      serviceAccount: z.string().optional(),
      maxRetries: z.number().default(0),
      containers: z.array(container).min(1),
    }),
  }),
});
type Job = z.infer<typeof jobSchema>;

/** The job of a size: there, and as `runyard deploy` makes it. What of it keeps tasks from running is `missing`. */
export async function jobFinding(view: CloudView, size: Size): Promise<Finding> {
  const { installation, rest } = view;
  const { place } = installation;
  const id = names.jobId(place, size);
  return look(`job ${size}`, view, async (): Promise<Told> => {
    const job = await rest.find({ api: 'run', path: `/v2/${names.job(place, size)}` }, jobSchema);
    if (job === undefined) {
      return {
        state: 'missing',
        detail: `there is no job ${id} in ${place.region}`,
        remedy: 'Run "runyard deploy", which makes it, or correct RUNYARD_JOB and RUNYARD_REGION.',
      };
    }
    const faults = faultsOf(job, installation);
    const differences = differencesOf(job, installation, size);
    const all = [...faults, ...differences];
    if (all.length === 0) return { state: 'ok', detail: inWords(job, size) };
    return {
      state: faults.length === 0 ? 'limited' : 'missing',
      detail: `${id}: ${all.join('; ')}`,
      remedy: deployAgain,
    };
  });
}

/** Without these a runner does not find its task. */
const vital = [
  'RUNYARD_PROJECT',
  'RUNYARD_BUCKET',
  'RUNYARD_KMS_KEY',
  'RUNYARD_STORAGE_ENDPOINT',
  'RUNYARD_KMS_ENDPOINT',
];

function faultsOf(job: Job, { place }: Installation): string[] {
  const { state, message = 'it does not say why' } = job.terminalCondition ?? {};
  const refused = state === 'CONDITION_FAILED' ? [`Cloud Run cannot run it: ${message.replace(/\s+/g, ' ')}`] : [];
  return [...refused, ...variablesThatDiffer(job, placeEnvironment(place), (name) => vital.includes(name))];
}

const pinned = /@sha256:[0-9a-f]{64}$/;

function differencesOf(job: Job, installation: Installation, size: Size): string[] {
  const { place } = installation;
  const { template } = job.template;
  const { image, env, sandboxLauncher } = containerOf(job);
  const wanted = placeEnvironment(place);
  const account = names.email(place, 'runner');
  const strange = env.filter(({ name }) => wanted[name] === undefined).map(({ name }) => name);
  const known = [
    ...(pinned.test(image) ? [] : [`its image ${image} is not named by its digest, so somebody could change it`]),
    ...(template.serviceAccount === account ? [] : [`it runs as ${template.serviceAccount}, not as ${account}`]),
    ...(template.maxRetries === 0 ? [] : [`Cloud Run starts what failed again, ${template.maxRetries} times`]),
    ...(sandboxLauncher === true ? [] : ["Google's launcher for sandboxes is off"]),
    ...variablesThatDiffer(job, wanted, (name) => !vital.includes(name)),
    ...(strange.length === 0 ? [] : [`its environment also has ${strange.join(', ')}, which is no place for a secret`]),
  ];
  if (known.length > 0) return known;
  const other = firstDifference(withoutEnvironment(job), withoutEnvironment(jobBody(installation, size, image)));
  return other === undefined ? [] : [`${other} is not as deployed`];
}

function variablesThatDiffer(job: Job, wanted: Record<string, string>, ofInterest: (name: string) => boolean) {
  const present = new Map(containerOf(job).env.map(({ name, value }) => [name, value ?? '']));
  return Object.entries(wanted)
    .filter(([name, value]) => ofInterest(name) && present.get(name) !== value)
    .map(([name, value]) => {
      const has = present.get(name);
      return has === undefined ? `${name} is not set (it must be ${value})` : `${name} is ${has}, not ${value}`;
    });
}

/** The variables are told by name; their order means nothing. */
function withoutEnvironment(job: z.infer<typeof jobSchema> | ReturnType<typeof jobBody>): unknown {
  const { template } = job.template;
  const containers = template.containers.map(({ env, ...rest }) => rest);
  return { ...job, template: { ...job.template, template: { ...template, containers } } };
}

function inWords(job: Job, size: Size): string {
  const { image } = containerOf(job);
  const digest = image.slice(image.indexOf('@') + 1).slice(0, 'sha256:'.length + 12);
  return `image ${digest}, ${gibibytes(size)} GiB, as deployed, with Google's launcher for sandboxes`;
}

function containerOf({ template }: Job): z.infer<typeof container> {
  return template.template.containers[0]!;
}
