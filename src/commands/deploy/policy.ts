import { z } from 'zod';
import type { CloudPlace } from '../../contracts/cloud.ts';
import type { Grant } from './grants.ts';
import { type Account, accounts, names } from './installation.ts';

const condition = z.looseObject({ title: z.string().optional(), expression: z.string() });
const binding = z.looseObject({
  role: z.string(),
  members: z.array(z.string()).default([]),
  condition: condition.optional(),
});

/** An access policy as all of Google's services write it; what we do not know of it is kept. */
export const policySchema = z.looseObject({
  version: z.number().optional(),
  etag: z.string().optional(),
  bindings: z.array(binding).default([]),
});
export type Policy = z.infer<typeof policySchema>;
type Binding = z.infer<typeof binding>;

/** Conditions exist from this version on. */
const versionWithConditions = 3;

export interface PolicyWish {
  readonly place: CloudPlace;
  readonly grants: readonly Grant[];
  /** Whether our accounts hold these roles here and no others: so it is on what is ours, not on the project. */
  readonly exact: boolean;
}

export interface PolicyChange {
  readonly policy: Policy;
  /** In words; empty where the policy is as wished. */
  readonly missing: readonly string[];
  readonly tooMuch: readonly string[];
}

/** The policy with what is wished and without what is not; bindings of others stay as they are. Pure. */
export function mergePolicy(policy: Policy, { place, grants, exact }: PolicyWish): PolicyChange {
  const ours = new Map(accounts.map((account) => [names.member(place, account), account]));
  const wishes = grants.map((grant) => ({ ...grant, member: names.member(place, grant.account) }));
  const wanted = (member: string, { role, condition }: Binding) =>
    wishes.some(
      (wish) => wish.member === member && wish.role === role && wish.condition?.expression === condition?.expression,
    );
  const surplus = policy.bindings.flatMap((each) =>
    each.members.flatMap((member) => {
      const account = ours.get(member);
      return account === undefined || !exact || wanted(member, each) ? [] : [{ account, each, member }];
    }),
  );
  const kept = policy.bindings
    .map((each) => ({
      ...each,
      members: each.members.filter(
        (member) => !surplus.some((extra) => extra.each === each && extra.member === member),
      ),
    }))
    .filter(({ members }) => members.length > 0);
  const missing = wishes.filter((wish) => !kept.some((each) => isOf(each, wish) && each.members.includes(wish.member)));
  return {
    policy: { ...policy, version: versionWithConditions, bindings: missing.reduce(withMember, kept) },
    missing: missing.map(inWords),
    tooMuch: surplus.map(({ account, each }) => inWords({ account, role: each.role })),
  };
}

/** The policy without our accounts. */
export function withoutOurs(policy: Policy, place: CloudPlace): PolicyChange {
  return mergePolicy(policy, { place, grants: [], exact: true });
}

type Wish = Grant & { readonly member: string };

function withMember(bindings: Binding[], wish: Wish): Binding[] {
  const { role, member, condition } = wish;
  if (!bindings.some((each) => isOf(each, wish))) {
    return [...bindings, { role, members: [member], ...(condition === undefined ? {} : { condition }) }];
  }
  return bindings.map((each) => (isOf(each, wish) ? { ...each, members: [...each.members, member] } : each));
}

function isOf(each: Binding, { role, condition }: Grant): boolean {
  return each.role === role && each.condition?.expression === condition?.expression;
}

function inWords({ account, role }: { account: Account; role: string }): string {
  return `${names.accountId(account)} as ${role}`;
}
