/**
 * Whether a condition holds for a resource, such as `projects/_/buckets/B/objects/NAME`. Of the language of conditions
 * only what is used is read; anything else is an error, not a "no".
 */
export function conditionHolds(expression: string, resource: string): boolean {
  const [, prefix] = /^resource\.name\.startsWith\('([^'\\]*)'\)$/.exec(expression) ?? [];
  if (prefix === undefined) throw new Error(`the fake does not read the expression ${expression}`);
  return resource.startsWith(prefix);
}
