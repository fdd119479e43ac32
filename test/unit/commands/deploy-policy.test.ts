import { expect, test } from 'vitest';
import { type Grant, grantsOn } from '../../../src/commands/deploy/grants.ts';
import { mergePolicy, type Policy, withoutOurs } from '../../../src/commands/deploy/policy.ts';
import { installation } from './deploy-installation.ts';

const { place } = installation;
const grants = grantsOn(installation, { kind: 'bucket', name: place.bucket });
const member = (account: string) => `serviceAccount:runyard-${account}@demo-project.iam.gserviceaccount.com`;
const theirs = { role: 'roles/storage.objectCreator', members: ['user:a@example.com'] };

function merge(policy: Policy, wanted: readonly Grant[] = grants, exact = true) {
  return mergePolicy(policy, { place, grants: wanted, exact });
}

test('what is missing is added, with its condition, in a policy that may have conditions', () => {
  const { policy, missing, tooMuch } = merge({ version: 1, etag: 'e', bindings: [theirs] });
  expect(policy.version).toBe(3);
  expect(policy.etag).toBe('e');
  expect(policy.bindings[0]).toEqual(theirs);
  expect(policy.bindings).toHaveLength(1 + grants.length);
  expect(policy.bindings).toContainEqual({
    role: 'roles/storage.objectCreator',
    members: [member('runner')],
    condition: {
      title: 'runyard-tasks',
      expression: "resource.name.startsWith('projects/_/buckets/demo-bucket/objects/tasks/')",
    },
  });
  expect(missing).toHaveLength(grants.length);
  expect(tooMuch).toEqual([]);
});

test('what is there already is neither missing nor doubled', () => {
  const { policy } = merge({ bindings: [] });
  const again = merge(policy);
  expect([again.missing, again.tooMuch]).toEqual([[], []]);
  expect(again.policy).toEqual(policy);
});

test('a role without its condition is too much, and does not count for the one with it', () => {
  const wide = { role: 'roles/storage.objectCreator', members: [member('runner'), 'user:a@example.com'] };
  const { policy, missing, tooMuch } = merge({ bindings: [wide] });
  expect(tooMuch).toEqual(['runyard-runner as roles/storage.objectCreator']);
  expect(missing).toContain('runyard-runner as roles/storage.objectCreator');
  expect(policy.bindings.find(({ condition }) => condition === undefined)).toEqual({
    role: wide.role,
    members: ['user:a@example.com'],
  });
});

test('two accounts with one role share a binding', () => {
  const [first] = grants;
  const same: Grant[] = [
    { ...first!, account: 'server' },
    { ...first!, account: 'build' },
  ];
  expect(merge({ bindings: [] }, same).policy.bindings).toEqual([
    { role: first!.role, members: [member('server'), member('build')] },
  ]);
});

test('where it is not for us to say, other roles of our accounts stay', () => {
  const given = { role: 'roles/monitoring.viewer', members: [member('server')] };
  const { policy, tooMuch } = merge({ bindings: [given] }, [], false);
  expect(policy.bindings).toEqual([given]);
  expect(tooMuch).toEqual([]);
});

test('without our accounts the policy is that of the others, and what we do not know of it is kept', () => {
  const before = { ...merge({ bindings: [theirs] }).policy, auditConfigs: [{ service: 'allServices' }] };
  expect(withoutOurs(before, place).policy).toEqual({
    version: 3,
    bindings: [theirs],
    auditConfigs: [{ service: 'allServices' }],
  });
});
