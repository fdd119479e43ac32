import type { GoogleRest } from './google-rest.ts';
import { type Grant, grantsOn, type Resource } from './grants.ts';
import { type Installation, idIn, names } from './installation.ts';
import { mergePolicy, type Policy, type PolicyChange, withoutOurs } from './policy.ts';
import { policyDoor } from './policy-door.ts';
import { GoogleRefusal } from './refusal.ts';
import { gcloud } from './shell.ts';
import { type End, goesWithOthers, type Step } from './step.ts';

/** Others write policies too: after so many lost races something else is wrong. */
const racesMax = 5;

/** The roles on one resource, granted right after it was made; no step where there are none. */
export function rolesSteps(installation: Installation, rest: GoogleRest, on: Resource): Step[] {
  const grants = grantsOn(installation, on);
  if (grants.length === 0) return [];
  const { place } = installation;
  const door = policyDoor(on, rest);
  const exact = on.kind !== 'project';
  const change = (policy: Policy) => mergePolicy(policy, { place, grants, exact });

  /** Reads, changes and writes back; somebody else's write in between is read anew. Resolves to whether it wrote. */
  const rewrite = async (changed: (policy: Policy) => PolicyChange, races = 1): Promise<boolean> => {
    const policy = await door.read();
    if (policy === undefined) return false;
    const { policy: next, missing, tooMuch } = changed(policy);
    if (missing.length + tooMuch.length === 0) return false;
    try {
      await door.write(next);
      return true;
    } catch (error) {
      if (races < racesMax && isLostRace(error)) return rewrite(changed, races + 1);
      throw error;
    }
  };

  return [
    {
      title: `Roles on ${inWords(on)}`,
      makes: grants.map(({ account, role, why }) => `${names.accountId(account)} as ${role}: ${why}`),
      gcloud: grants.map((grant) => grantLine(installation, grant)),
      async look() {
        const policy = await door.read();
        if (policy === undefined) return { state: 'missing' };
        const { missing, tooMuch } = change(policy);
        if (missing.length === grants.length) return { state: 'missing' };
        if (missing.length + tooMuch.length === 0) return { state: 'there' };
        return {
          state: 'differs',
          how: [...missing.map((each) => `not ${each}`), ...tooMuch.map((each) => `also ${each}`)].join(', '),
        };
      },
      async make() {
        await rest.settled(() => rewrite(change), isUnknownAccount);
        return undefined;
      },
      end: endOf(on, () => rewrite((policy) => withoutGrants(policy, installation, grants, exact))),
    },
  ];
}

/** What is removed takes its policy along; what stays must not name accounts that are gone. */
function endOf({ kind }: Resource, remove: () => Promise<boolean>): End {
  return kind === 'job' || kind === 'repository' ? goesWithOthers : { goes: true, remove };
}

/** On the project only what was granted is taken away: there the accounts may have been given more by somebody. */
function withoutGrants(
  policy: Policy,
  { place }: Installation,
  grants: readonly Grant[],
  exact: boolean,
): PolicyChange {
  if (exact) return withoutOurs(policy, place);
  const given = new Set(grants.map(({ account, role }) => `${names.member(place, account)} ${role}`));
  const kept = policy.bindings.map((each) => ({
    ...each,
    members: each.members.filter((member) => !given.has(`${member} ${each.role}`)),
  }));
  const gone = policy.bindings
    .flatMap(({ role, members }) => members.map((member) => `${member} ${role}`))
    .filter((each) => given.has(each));
  return {
    policy: { ...policy, bindings: kept.filter(({ members }) => members.length > 0) },
    missing: [],
    tooMuch: gone,
  };
}

/** Cloud Storage says 412, the others 409. */
function isLostRace(error: unknown): boolean {
  return error instanceof GoogleRefusal && (error.status === 409 || error.status === 412);
}

/** A policy cannot name an account that Google does not know everywhere yet. */
export function isUnknownAccount({ status, said }: GoogleRefusal): boolean {
  return (status === 400 || status === 404) && /service ?account|principal|member/i.test(said);
}

export function inWords({ kind, name }: Resource): string {
  const what = {
    bucket: 'the bucket',
    key: 'the key',
    secret: 'the secret',
    repository: 'the repository',
    job: 'the job',
    project: 'the project',
  };
  return `${what[kind]} ${name.split('/').at(-1)}`;
}

function grantLine({ place }: Installation, { account, role, on, condition }: Grant): string {
  const who = [`--member=${names.member(place, account)}`, `--role=${role}`];
  const when =
    condition === undefined
      ? '--condition=None'
      : `--condition=expression=${condition.expression},title=${condition.title}`;
  const id = on.name.split('/').at(-1) ?? '';
  const inProject = `--project=${place.project}`;
  const inRegion = [`--region=${place.region}`, inProject];
  switch (on.kind) {
    case 'bucket':
      return gcloud('storage', 'buckets', 'add-iam-policy-binding', `gs://${on.name}`, ...who, when);
    case 'key': {
      const where = [`--keyring=${idIn(on.name, 'keyRings')}`, `--location=${idIn(on.name, 'locations')}`];
      return gcloud(
        'kms',
        'keys',
        'add-iam-policy-binding',
        id,
        ...where,
        ...who,
        `--project=${idIn(on.name, 'projects')}`,
      );
    }
    case 'secret':
      return gcloud('secrets', 'add-iam-policy-binding', id, ...who, inProject);
    case 'repository':
      return gcloud(
        'artifacts',
        'repositories',
        'add-iam-policy-binding',
        id,
        `--location=${place.region}`,
        ...who,
        inProject,
      );
    case 'job':
      return gcloud('run', 'jobs', 'add-iam-policy-binding', id, ...who, ...inRegion);
    case 'project':
      return gcloud('projects', 'add-iam-policy-binding', id, ...who, when);
  }
}
