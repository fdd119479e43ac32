import { boundaryAllows } from './boundary.ts';
import { conditionHolds } from './policy-condition.ts';
import { roleHolds } from './policy-roles.ts';
import type { Authorize } from './server.ts';
import type { StsServer } from './sts.ts';

/** One role on one resource, as it stands in an access policy. */
export interface Binding {
  /** Full name; of a bucket `projects/_/buckets/B`. */
  readonly resource: string;
  readonly role: string;
  /** Such as `serviceAccount:EMAIL`. */
  readonly members: readonly string[];
  readonly condition?: { readonly expression: string };
}

/** Who may do what: accounts by their tokens, their roles, and what a token with a boundary leaves of them. */
export interface Policy {
  /** What is asked before every act. */
  readonly authorize: Authorize;
  /** The account that a token speaks for; undefined for one that nobody has given, or that has expired. */
  accountOf(token: string): string | undefined;
  /** As if the binding had never been granted, until the returned function is called. */
  takeAway(binding: Binding): () => void;
}

export interface PolicyOptions {
  readonly bindings: readonly Binding[];
  readonly sts: StsServer;
  /** Whose own token it is. */
  readonly accountOf: (token: string) => string | undefined;
}

export function createPolicy({ bindings, sts, accountOf }: PolicyOptions): Policy {
  const taken = new Set<Binding>();

  const authorize: Authorize = ({ token, permission, resource }) => {
    if (token === undefined) return false;
    const boundary = sts.boundaryOf(token);
    if (boundary !== undefined) {
      // The lesser of the two: what the boundary leaves, of what its source may.
      return (
        boundaryAllows(sts, { token, permission, resource }) === true &&
        authorize({ token: boundary.subjectToken, permission, resource })
      );
    }
    const account = accountOf(token);
    const left = bindings.filter((binding) => !taken.has(binding));
    return account !== undefined && isGranted(left, { account, permission, resource });
  };

  return {
    authorize,
    accountOf: (token) => accountOf(sts.boundaryOf(token)?.subjectToken ?? token),
    takeAway(binding) {
      if (!bindings.includes(binding)) throw new Error(`there is no such binding: ${JSON.stringify(binding)}`);
      taken.add(binding);
      return () => void taken.delete(binding);
    },
  };
}

/** Whether one of the bindings lets the account do it. */
export function isGranted(
  bindings: readonly Binding[],
  {
    account,
    permission,
    resource,
  }: { readonly account: string; readonly permission: string; readonly resource: string },
): boolean {
  return bindings.some(
    (binding) =>
      isOn(binding, resource) &&
      binding.members.includes(`serviceAccount:${account}`) &&
      roleHolds(binding.role, permission) &&
      (binding.condition === undefined || conditionHolds(binding.condition.expression, resource)),
  );
}

/** Of a bucket a policy is kept under its name alone. */
export function fullName(resource: string): string {
  return resource.includes('/') ? resource : `projects/_/buckets/${resource}`;
}

/** A policy holds for what lies below its resource too. */
function isOn({ resource: place }: Binding, resource: string): boolean {
  return resource === place || resource.startsWith(`${place}/`);
}
