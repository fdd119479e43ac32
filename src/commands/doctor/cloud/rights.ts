import type { Finding } from '../../../contracts/sandbox.ts';
import type { Resource } from '../../deploy/grants.ts';
import { allSizes, declaredSecrets, type Installation, names } from '../../deploy/installation.ts';
import { inWords } from '../../deploy/roles.ts';
import { type CloudView, look, type Told } from './look.ts';
import { testPermissions } from './permissions.ts';

/** What a server must be allowed on one kind of thing, and what fails without it. */
interface Rights {
  readonly subject: string;
  readonly on: (installation: Installation) => Resource[];
  readonly role: string;
  readonly needs: readonly Need[];
}

interface Need {
  readonly permission: string;
  readonly otherwise: string;
  /** Without it no task runs at all. */
  readonly vital?: true;
}

const nothingRuns = 'no task can be submitted';

const rights: readonly Rights[] = [
  {
    subject: 'rights on bucket',
    on: ({ place }) => [{ kind: 'bucket', name: place.bucket }],
    role: 'roles/storage.objectUser',
    needs: [
      { permission: 'storage.objects.create', otherwise: nothingRuns, vital: true },
      { permission: 'storage.objects.get', otherwise: 'no result is read, and no runner reads its task', vital: true },
      { permission: 'storage.objects.list', otherwise: 'no task is followed or found again', vital: true },
      { permission: 'storage.objects.delete', otherwise: 'what a task left is never removed' },
    ],
  },
  {
    subject: 'rights on KMS key',
    on: ({ place }) => [{ kind: 'key', name: place.kmsKey }],
    role: 'roles/cloudkms.cryptoKeyEncrypterDecrypter',
    needs: [
      { permission: 'cloudkms.cryptoKeyVersions.useToEncrypt', otherwise: nothingRuns, vital: true },
      {
        permission: 'cloudkms.cryptoKeyVersions.useToDecrypt',
        otherwise: 'an idempotency_key is not understood, and nothing sealed is opened',
        vital: true,
      },
    ],
  },
  {
    subject: 'rights on jobs',
    on: ({ place }) => allSizes.map((size) => ({ kind: 'job', name: names.job(place, size) })),
    role: 'roles/run.jobsExecutorWithOverrides and roles/run.viewer',
    needs: [
      { permission: 'run.jobs.run', otherwise: 'no task of this size starts', vital: true },
      { permission: 'run.jobs.runWithOverrides', otherwise: 'no task of this size starts', vital: true },
      { permission: 'run.jobs.get', otherwise: 'the first task finds no connection ready' },
      { permission: 'run.executions.get', otherwise: 'a lost runner goes unnoticed' },
      { permission: 'run.tasks.list', otherwise: 'of several runs the lost one goes unnoticed' },
      { permission: 'run.executions.cancel', otherwise: 'a cancelled task runs on until its time is up' },
    ],
  },
  {
    subject: 'rights on secrets',
    on: (installation) =>
      declaredSecrets(installation).map((secret) => ({
        kind: 'secret',
        name: names.secret(installation.place, secret),
      })),
    role: 'roles/secretmanager.secretAccessor',
    needs: [{ permission: 'secretmanager.versions.access', otherwise: 'a task that references it is refused' }],
  },
];

/** What these very credentials may do, one finding a kind of thing; a thing that is not there has none. */
export async function rightsFindings(view: CloudView): Promise<Finding[]> {
  const asked = rights.filter(({ on }) => on(view.installation).length > 0);
  const found = await Promise.all(asked.map((each) => rightsFinding(view, each)));
  return found.filter(({ detail }) => detail !== nothingThere);
}

const nothingThere = '';

async function rightsFinding(view: CloudView, { subject, on, role, needs }: Rights): Promise<Finding> {
  const permissions = needs.map(({ permission }) => permission);
  return look(subject, view, async (): Promise<Told> => {
    const things = on(view.installation);
    const answers = await Promise.all(
      things.map(async (thing) => ({ thing, held: await testPermissions(view.rest, thing, permissions) })),
    );
    const known = answers.flatMap(({ thing, held }) => (held === undefined ? [] : [{ thing, ...held }]));
    if (known.length === 0) return { state: 'ok', detail: nothingThere };
    const lacking = known.flatMap(({ thing, lacking }) =>
      needs.filter(({ permission }) => lacking.includes(permission)).map((need) => ({ thing, need })),
    );
    const untold = [...new Set(known.flatMap((each) => each.untold))];
    if (lacking.length > 0) return toldLacking(lacking, things, { who: view.who, role });
    if (untold.length > 0) {
      return { state: 'limited', detail: `Google does not say of ${untold.join(', ')}`, remedy: 'The trial shows it.' };
    }
    return { state: 'ok', detail: `all ${permissions.length} that a server needs on ${nameOf(things)}` };
  });
}

interface Lacking {
  readonly thing: Resource;
  readonly need: Need;
}

function toldLacking(
  lacking: readonly Lacking[],
  things: readonly Resource[],
  { who, role }: { readonly who: string; readonly role: string },
): Told {
  const lines = lacking.map(
    ({ thing, need }) => `${need.permission} on ${inWords(thing)} is missing: ${need.otherwise}`,
  );
  // Of the jobs only the first, that of small tasks, is tried.
  const vital = lacking.some(({ thing, need }) => need.vital === true && thing.name === things[0]?.name);
  const where = [...new Set(lacking.map(({ thing }) => inWords(thing)))].join(', ');
  return {
    state: vital ? 'missing' : 'limited',
    detail: lines.join('; '),
    remedy: `Run the server as runyard-server, to whom "runyard deploy" grants it; or grant ${role} on ${where} to ${who}. A grant takes a minute.`,
  };
}

function nameOf(things: readonly Resource[]): string {
  return things.map(({ name }) => name.split('/').at(-1)).join(', ');
}
