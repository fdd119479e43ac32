import { z } from 'zod';
import type { AdminOptions } from '../fakes/google/admin-world.ts';
import { type Binding, fullName } from '../fakes/google/policy.ts';
import { openCloud, writePackage } from './deploy-cloud.ts';

/** The project of `startGoogle`. */
const project = 'a-project';
const location = `projects/${project}/locations/europe-west1`;

export interface Deployed {
  /** Of our accounts, one for each role that an account has on a resource. */
  readonly bindings: readonly Binding[];
  /** The body with which the bucket was made. */
  readonly bucket: Readonly<Record<string, unknown>>;
}

/** What `deploy` writes into an empty project: the command itself is run, against the fakes of what it asks. */
export async function deployed(secrets: readonly string[] = [], options: AdminOptions = {}): Promise<Deployed> {
  const files = writePackage();
  const cloud = await openCloud({ ...options, project }, files.root);
  try {
    const declared = secrets.map((secret) => `secret-manager:${secret} env`).join(', ');
    const env = { RUNYARD_PROJECT: project, RUNYARD_SECRETS: declared };
    const { exitCode, text } = await cloud.run([], { env });
    if (exitCode !== 0) throw new Error(text);
    const key = `${location}/keyRings/runyard/cryptoKeys/tasks`;
    const names = secrets.map((secret) => `projects/${project}/secrets/${secret}`);
    const policies = [
      ...Object.entries(cloud.admin.state().policies),
      [key, cloud.kms.policyOf(key)],
      ...names.map((name) => [name, cloud.secrets.policyOf(name)]),
    ];
    const made = cloud.requests.find(({ method, url }) => method === 'POST' && /\/storage\/v1\/b\?/.test(url));
    return {
      bindings: policies.flatMap(([resource, policy]) => bindingsOf(z.string().parse(resource), policy)),
      bucket: z.record(z.string(), z.unknown()).parse(JSON.parse(made!.body)),
    };
  } finally {
    await cloud.close();
    files.remove();
  }
}

/** What `deploy` says where a role of the build's account is taken away before the build begins. */
export async function deployWithout(role: string): Promise<string> {
  const files = writePackage();
  const cloud = await openCloud({ project }, files.root);
  cloud.disturb = ({ method, url }) => {
    if (method !== 'POST' || !url.endsWith('/builds')) return undefined;
    for (const [resource, { bindings }] of Object.entries(cloud.admin.state().policies)) {
      const left = bindings.filter((binding) => binding.role !== role);
      if (left.length < bindings.length) cloud.admin.setPolicy(resource, left);
    }
    return undefined;
  };
  try {
    return (await cloud.run([], { env: { RUNYARD_PROJECT: project, RUNYARD_SECRETS: '' }, settleMs: 50 })).text;
  } finally {
    await cloud.close();
    files.remove();
  }
}

/** `runyard-server as roles/… on RESOURCE`, to call a binding by. */
export function inWords({ members: [member = ''], role, resource }: Binding): string {
  return `${/:(.+)@/.exec(member)?.[1]} as ${role} on ${resource.split('/').slice(-2).join('/')}`;
}

// --- Internal helpers ---

const policy = z.looseObject({
  bindings: z.array(
    z.looseObject({
      role: z.string(),
      members: z.array(z.string()),
      condition: z.looseObject({ expression: z.string() }).nullish(),
    }),
  ),
});

function bindingsOf(resource: string, written: unknown): Binding[] {
  return policy.parse(written).bindings.flatMap(({ role, members, condition }) =>
    members
      .filter((member) => member.startsWith('serviceAccount:runyard-'))
      .map((member) => ({
        ...{ resource: fullName(resource), role, members: [member] },
        ...(condition == null ? {} : { condition: { expression: condition.expression } }),
      })),
  );
}
