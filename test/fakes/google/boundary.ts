import { conditionHolds } from './policy-condition.ts';
import { roleHolds } from './policy-roles.ts';
import type { BoundaryRule, StsServer } from './sts.ts';

/** What a token with a boundary may do, whatever the account behind it may; undefined for a token that has none. */
export function boundaryAllows(
  sts: StsServer,
  { token, permission, resource }: { readonly token: string; readonly permission: string; readonly resource: string },
): boolean | undefined {
  return sts.boundaryOf(token)?.rules.some((rule) => ruleAllows(rule, permission, resource));
}

function ruleAllows(rule: BoundaryRule, permission: string, resource: string): boolean {
  const bucket = rule.availableResource.replace('//storage.googleapis.com/', '');
  if (resource !== bucket && !resource.startsWith(`${bucket}/`)) return false;
  if (!rule.availablePermissions.some((role) => roleHolds(role.replace('inRole:', ''), permission))) return false;
  const { expression } = rule.availabilityCondition ?? {};
  return expression === undefined || conditionHolds(expression, resource);
}
