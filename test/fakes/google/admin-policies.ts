import { type Incoming, objectAt, refuse, type World } from './admin-world.ts';
import { GoogleFailure } from './failure.ts';

export interface PolicyBinding {
  readonly role: string;
  readonly members: readonly string[];
  readonly condition?: { readonly title: string; readonly expression: string };
}

export interface FakePolicy {
  readonly version?: number;
  readonly bindings: readonly PolicyBinding[];
}

/** Policies in plain JSON: written only by who has read the last one, and only with accounts that exist. */
export interface Policies {
  of(resource: string): FakePolicy;
  get(resource: string, requestedVersion: number): object;
  set(resource: string, policy: Record<string, unknown>, stale: GoogleFailure): object;
  remove(resource: string): void;
  all(): Readonly<Record<string, FakePolicy>>;
}

export const concurrentChange = new GoogleFailure('ABORTED', 'There were concurrent policy changes. Please retry.');

export function createPolicies(
  world: World,
  first: (resource: string) => readonly PolicyBinding[] = () => [],
): Policies {
  const written = new Map<string, FakePolicy>();
  const writes = new Map<string, number>();
  const of = (resource: string) => written.get(resource) ?? { version: 1, bindings: first(resource) };
  const etagOf = (resource: string) => Buffer.from(`${resource} ${writes.get(resource) ?? 0}`).toString('base64');
  return {
    of,
    get(resource, requestedVersion) {
      const { version, bindings } = of(resource);
      const visible =
        requestedVersion >= 3
          ? bindings
          : bindings.map(({ condition, ...each }) =>
              condition === undefined ? each : { ...each, role: `${each.role}_withcond_0` },
            );
      return { version, etag: etagOf(resource), ...(visible.length === 0 ? {} : { bindings: visible }) };
    },
    set(resource, { etag, version, bindings = [] }, stale) {
      if (etag !== etagOf(resource)) throw stale;
      const parsed = bindings as readonly PolicyBinding[];
      if (version !== 3 && parsed.some(({ condition }) => condition !== undefined)) {
        refuse('INVALID_ARGUMENT', 'A policy with conditional role bindings must have version 3.');
      }
      for (const member of parsed.flatMap(({ members }) => members)) {
        const [kind, email = ''] = member.split(':');
        if (kind === 'serviceAccount' && email.endsWith('.iam.gserviceaccount.com')) world.requireAccount(email);
      }
      written.set(resource, { version: version as number, bindings: parsed });
      writes.set(resource, (writes.get(resource) ?? 0) + 1);
      return { ...written.get(resource), etag: etagOf(resource) };
    },
    remove: (resource) => void written.delete(resource),
    all: () => Object.fromEntries([...written].sort(([a], [b]) => (a < b ? -1 : 1))),
  };
}

/** `GET …:getIamPolicy` and `POST …:setIamPolicy` as most services have them. */
export function policyRoutes(
  prefix: string,
  resource: string,
  policies: Policies,
  requireThere: (name: string) => void,
) {
  return [
    {
      method: 'GET',
      path: new RegExp(`^/${prefix}/(${resource}):getIamPolicy$`),
      answer({ groups: [name = ''], query }: Incoming) {
        requireThere(name);
        return policies.get(name, Number(query.get('options.requestedPolicyVersion') ?? 1));
      },
    },
    {
      method: 'POST',
      path: new RegExp(`^/${prefix}/(${resource}):setIamPolicy$`),
      answer({ groups: [name = ''], body }: Incoming) {
        requireThere(name);
        return policies.set(name, objectAt(body, 'policy'), concurrentChange);
      },
    },
  ];
}
