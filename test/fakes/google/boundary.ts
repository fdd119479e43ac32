import type { BoundaryRule, StsServer } from './sts.ts';

/** What a token with a boundary may do, whatever the account behind it may; undefined for a token that has none. */
export function boundaryAllows(
  sts: StsServer,
  { token, permission, resource }: { readonly token: string; readonly permission: string; readonly resource: string },
): boolean | undefined {
  return sts.boundaryOf(token)?.rules.some((rule) => ruleAllows(rule, permission, resource));
}

/** Of the roles that are used in boundaries. */
const permissionsOfRole: Readonly<Record<string, readonly string[]>> = {
  'inRole:roles/storage.legacyObjectReader': ['storage.objects.get'],
};

function ruleAllows(rule: BoundaryRule, permission: string, resource: string): boolean {
  const bucket = rule.availableResource.replace('//storage.googleapis.com/', '');
  if (resource !== bucket && !resource.startsWith(`${bucket}/`)) return false;
  if (!rule.availablePermissions.some((role) => permissionsOfRole[role]?.includes(permission))) return false;
  const { expression } = rule.availabilityCondition ?? {};
  if (expression === undefined) return true;
  const [, prefix] = /^resource\.name\.startsWith\('([^'\\]*)'\)$/.exec(expression) ?? [];
  if (prefix === undefined) throw new Error(`the fake does not read the expression ${expression}`);
  return resource.startsWith(prefix);
}
