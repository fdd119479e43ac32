import type { Finding } from '../../../contracts/sandbox.ts';
import { grantsOn, type Resource } from '../../deploy/grants.ts';
import { allSizes, declaredSecrets, type Installation, names } from '../../deploy/installation.ts';
import { mergePolicy } from '../../deploy/policy.ts';
import { policyDoor } from '../../deploy/policy-door.ts';
import { inWords } from '../../deploy/roles.ts';
import { type CloudView, deployAgain, ifAllowed, look, type Told } from './look.ts';

/**
 * What the installation's accounts hold, against the table of `deploy`: a runner's account that may more is what an escape
 * is worth. On the project they hold nothing.
 */
export async function rolesFinding(view: CloudView): Promise<Finding> {
  return look('roles', view, async (): Promise<Told> => {
    const things = thingsOf(view.installation);
    const found = await Promise.all([...things.map((thing) => onThing(view, thing)), onProject(view)]);
    const missing = found.flatMap((each) => each?.missing ?? []);
    const tooMuch = found.flatMap((each) => each?.tooMuch ?? []);
    const unseen = found.filter((each) => each === undefined).length;
    if (missing.length + tooMuch.length > 0) {
      const told = [...missing.map((each) => `not ${each}`), ...tooMuch.map((each) => `also ${each}`)];
      return { state: 'limited', detail: told.join('; '), remedy: deployAgain };
    }
    if (unseen > 0) {
      return {
        state: 'limited',
        detail: `${unseen} of ${found.length} access policies could not be looked at with these credentials`,
        remedy: 'Run the doctor as whoever deployed, to see more.',
      };
    }
    return {
      state: 'ok',
      detail: 'server and runner hold what "runyard deploy --plan" lists, and nothing else here or on the project',
    };
  });
}

interface Difference {
  readonly missing: readonly string[];
  readonly tooMuch: readonly string[];
}

function thingsOf(installation: Installation): Resource[] {
  const { place } = installation;
  return [
    { kind: 'bucket', name: place.bucket },
    { kind: 'key', name: place.kmsKey },
    ...allSizes.map((size): Resource => ({ kind: 'job', name: names.job(place, size) })),
    ...declaredSecrets(installation).map((secret): Resource => ({ kind: 'secret', name: names.secret(place, secret) })),
  ];
}

/** Undefined where the policy may not be seen. What is not there has none: others say so. */
async function onThing({ installation, rest }: CloudView, thing: Resource): Promise<Difference | undefined> {
  const { place } = installation;
  const door = policyDoor(thing, rest);
  const seen = await ifAllowed(door.read().then((policy) => ({ policy })));
  if (seen?.policy === undefined) return seen && { missing: [], tooMuch: [] };
  const { missing, tooMuch } = mergePolicy(seen.policy, { place, grants: grantsOn(installation, thing), exact: true });
  // Whoever brought an image has no account that builds one.
  const ofTasks = (each: string) => !each.startsWith(names.accountId('build'));
  const told = (each: string) => `${each} on ${inWords(thing)}`;
  return { missing: missing.filter(ofTasks).map(told), tooMuch: tooMuch.filter(ofTasks).map(told) };
}

async function onProject({ installation: { place }, rest }: CloudView): Promise<Difference | undefined> {
  const policy = await ifAllowed(policyDoor({ kind: 'project', name: `projects/${place.project}` }, rest).read());
  if (policy === undefined) return undefined;
  const tooMuch = (['server', 'runner'] as const).flatMap((account) =>
    policy.bindings
      .filter(({ members }) => members.includes(names.member(place, account)))
      .map(({ role }) => `${names.accountId(account)} as ${role} on the project (take it away by hand)`),
  );
  return { missing: [], tooMuch };
}
