import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { keys } from '../../contracts/keys.ts';
import type { GoogleRest } from './google-rest.ts';
import type { Installation } from './installation.ts';
import { GoogleRefusal, refusalOfOutcome } from './refusal.ts';
import { gcloud, writeJson } from './shell.ts';
import type { Step } from './step.ts';

const rule = z.looseObject({
  action: z.looseObject({ type: z.string() }),
  condition: z.looseObject({
    age: z.number().optional(),
    daysSinceCustomTime: z.number().optional(),
    matchesPrefix: z.array(z.string()).optional(),
  }),
});
type Rule = z.infer<typeof rule>;

const bucketSchema = z.looseObject({
  projectNumber: z.string(),
  metageneration: z.string().optional(),
  iamConfiguration: z
    .looseObject({
      uniformBucketLevelAccess: z.looseObject({ enabled: z.boolean().optional() }).optional(),
      publicAccessPrevention: z.string().optional(),
    })
    .optional(),
  versioning: z.looseObject({ enabled: z.boolean().optional() }).optional(),
  softDeletePolicy: z.looseObject({ retentionDurationSeconds: z.string().optional() }).optional(),
  lifecycle: z.looseObject({ rule: z.array(rule).optional() }).optional(),
});
type Bucket = z.infer<typeof bucketSchema>;

/** Archives that an image is built from. */
export const deployPrefix = 'deploy/';
const sealedPrefix = 'sealed/';
const sealedDays = 2;
const inputsPrefix = 'inputs/';
const inputsDaysUnused = 7;
/** Told to the last day, then gone: what a task left is removed a day after the task is `not_found`. */
const marginDays = 1;

/** Everything of a task but what is sealed. `meta/` has no rule: it is kept. */
const taskPrefixes = [keys.allIdempotency, keys.owners, keys.allPending, 'tasks/', 'telling/'];

/** What the bucket forgets by itself. Pure. */
export function lifecycleOf(retentionDays: number): Rule[] {
  const remove = (condition: Rule['condition']): Rule => ({ action: { type: 'Delete' }, condition });
  return [
    remove({ age: sealedDays, matchesPrefix: [sealedPrefix] }),
    remove({ daysSinceCustomTime: inputsDaysUnused, matchesPrefix: [inputsPrefix] }),
    remove({ age: retentionDays + marginDays, matchesPrefix: taskPrefixes }),
    remove({ age: 1, matchesPrefix: [deployPrefix] }),
  ];
}

const ourPrefixes = new Set([sealedPrefix, inputsPrefix, deployPrefix, ...taskPrefixes]);

function isOurs({ condition: { matchesPrefix = [] } }: Rule): boolean {
  return matchesPrefix.length > 0 && matchesPrefix.every((prefix) => ourPrefixes.has(prefix));
}

/** The settings that a bucket gets; rules for what is not ours stay. Pure. */
export function bucketSettings(retentionDays: number, present: readonly Rule[] = []) {
  return {
    iamConfiguration: { uniformBucketLevelAccess: { enabled: true }, publicAccessPrevention: 'enforced' },
    versioning: { enabled: false },
    softDeletePolicy: { retentionDurationSeconds: '0' },
    lifecycle: { rule: [...present.filter((each) => !isOurs(each)), ...lifecycleOf(retentionDays)] },
  };
}

function differences(bucket: Bucket, retentionDays: number): string[] {
  const { iamConfiguration, versioning, softDeletePolicy, lifecycle } = bucket;
  const found = lifecycle?.rule ?? [];
  const wrong: Readonly<Record<string, boolean>> = {
    'access is not uniform': iamConfiguration?.uniformBucketLevelAccess?.enabled !== true,
    'public access is not prevented': iamConfiguration?.publicAccessPrevention !== 'enforced',
    'versioning keeps what was deleted': versioning?.enabled === true,
    'soft delete keeps what was deleted': softDeletePolicy?.retentionDurationSeconds !== '0',
    'other lifecycle rules': !isDeepStrictEqual(found.filter(isOurs), lifecycleOf(retentionDays)),
  };
  return Object.keys(wrong).filter((name) => wrong[name]);
}

const projectSchema = z.looseObject({ name: z.string() });
const changesMax = 3;

export function bucketStep({ place, retentionDays }: Installation, rest: GoogleRest): Step {
  const { project, region, bucket: name } = place;
  const path = `/storage/v1/b/${name}`;
  const find = () => rest.find({ api: 'storage', path, query: { projection: 'noAcl' } }, bucketSchema);

  /** Names of buckets are the whole world's: one that somebody else took must not get our tasks. */
  const requireOurs = async (bucket: Bucket | undefined): Promise<Bucket> => {
    const self = await rest.send({ api: 'resourceManager', path: `/v3/projects/${project}` }, projectSchema);
    if (bucket !== undefined && self.name === `projects/${bucket.projectNumber}`) return bucket;
    throw refusalOfOutcome(
      `The bucket ${name} belongs to another project than ${project}.`,
      'Names of buckets are shared by everybody: set RUNYARD_BUCKET to one that is free.',
    );
  };

  const make = async (changes = 1): Promise<void> => {
    const settings = bucketSettings(retentionDays);
    let there = await find();
    if (there === undefined) {
      const body = { name, location: region, ...settings };
      await rest.create({ api: 'storage', method: 'POST', path: '/storage/v1/b', query: { project }, body });
      there = await find();
    }
    const bucket = await requireOurs(there);
    if (differences(bucket, retentionDays).length === 0) return;
    const { metageneration = '' } = bucket;
    const body = bucketSettings(retentionDays, bucket.lifecycle?.rule);
    const change = {
      api: 'storage',
      method: 'PATCH',
      path,
      query: { ifMetagenerationMatch: metageneration },
      body,
    } as const;
    try {
      await rest.send(change, z.unknown());
    } catch (error) {
      const raced = error instanceof GoogleRefusal && error.status === 412;
      if (!raced || changes >= changesMax) throw error;
      await make(changes + 1);
    }
  };

  const lifecycleFile = 'runyard-lifecycle.json';
  return {
    title: `Bucket ${name}`,
    makes: [
      `in ${region}; access by roles only, never public; nothing that was deleted is kept (no soft delete, no versions)`,
      `forgets by itself: ${sealedPrefix} after ${sealedDays} days, ${inputsPrefix} ${inputsDaysUnused} days after the last use, ` +
        `${taskPrefixes.join(' ')} after ${retentionDays + marginDays} days (RUNYARD_RETENTION_DAYS and one)`,
    ],
    gcloud: [
      writeJson(lifecycleFile, { rule: lifecycleOf(retentionDays) }),
      gcloud(
        ...['storage', 'buckets', 'create', `gs://${name}`, `--location=${region}`, '--uniform-bucket-level-access'],
        ...['--public-access-prevention', '--soft-delete-duration=0', `--lifecycle-file=${lifecycleFile}`],
        `--project=${project}`,
      ),
    ],
    async look() {
      const there = await find();
      if (there === undefined) return { state: 'missing' };
      const how = differences(await requireOurs(there), retentionDays);
      return how.length === 0 ? { state: 'there' } : { state: 'differs', how: how.join(', ') };
    },
    async make() {
      await make();
      return undefined;
    },
    end: {
      goes: false,
      why: 'it holds tasks and their results',
      gcloud: [gcloud('storage', 'rm', '--recursive', `gs://${name}`)],
    },
  };
}
