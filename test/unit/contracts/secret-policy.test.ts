import { describe, expect, test } from 'vitest';
import { RunyardError } from '../../../src/contracts/errors.ts';
import { refuseUndeclared, type SecretPlace } from '../../../src/contracts/secret-policy.ts';
import type { SecretDeclaration, SecretUse } from '../../../src/contracts/secrets.ts';

const declarations: SecretDeclaration[] = [
  {
    reference: 'env:GIT_TOKEN',
    uses: [
      { use: 'git', host: 'github.com' },
      { use: 'mcp', host: 'mcp.example.com', port: 8443 },
    ],
  },
  { reference: 'secret-manager:npm', uses: [{ use: 'env' }] },
  { reference: 'env:HOOK_KEY', uses: [{ use: 'webhook', host: 'hooks.example.com' }], owner: 'key:ci' },
  { reference: 'env:HOOK_KEY', uses: [{ use: 'webhook', host: 'hooks.example.org' }], owner: 'key:bob' },
];

const ci = { owner: 'key:ci' };
const at = (host: string, port = 443): SecretPlace => ({ host, port });

type Ask = [reference: string, use: SecretUse, owner: string, place?: SecretPlace];

function refusal([reference, use, owner, place]: Ask): RunyardError | undefined {
  try {
    refuseUndeclared(declarations, reference, use, { owner }, place);
    return undefined;
  } catch (error) {
    if (error instanceof RunyardError) return error;
    throw error;
  }
}

test.each<[string, Ask]>([
  ['a value for the sandbox', ['secret-manager:npm', 'env', 'key:anybody']],
  ['git at its host over https', ['env:GIT_TOKEN', 'git', 'key:ci', at('github.com')]],
  ['git at its host over ssh', ['env:GIT_TOKEN', 'git', 'key:ci', at('GitHub.com', 22)]],
  ['a port that is declared', ['env:GIT_TOKEN', 'mcp', 'key:ci', at('mcp.example.com', 8443)]],
  ['each owner at a host of his own', ['env:HOOK_KEY', 'webhook', 'key:bob', at('hooks.example.org')]],
])('allowed: %s', (_, ask) => {
  expect(refusal(ask)).toBeUndefined();
});

describe('T6: a reference goes nowhere but where the operator declared it', () => {
  test.each<[string, Ask]>([
    ['a git token into the sandbox', ['env:GIT_TOKEN', 'env', 'key:ci']],
    ['a git token to another host', ['env:GIT_TOKEN', 'git', 'key:ci', at('evil.example')]],
    ['a git token to a host that ends alike', ['env:GIT_TOKEN', 'git', 'key:ci', at('notgithub.com')]],
    ['a git token to another port of its host', ['env:GIT_TOKEN', 'git', 'key:ci', at('github.com', 8080)]],
    ['the standard port where another is declared', ['env:GIT_TOKEN', 'mcp', 'key:ci', at('mcp.example.com')]],
    ['a git token as a webhook key of its host', ['env:GIT_TOKEN', 'webhook', 'key:ci', at('github.com')]],
    ['a git token to no place at all', ['env:GIT_TOKEN', 'git', 'key:ci']],
    ['a value for the sandbox to a host', ['secret-manager:npm', 'env', 'key:ci', at('evil.example')]],
    ['the same name in another store', ['env:npm', 'env', 'key:ci']],
    ["another owner's", ['env:HOOK_KEY', 'webhook', 'key:ann', at('hooks.example.com')]],
    ["another owner's host", ['env:HOOK_KEY', 'webhook', 'key:ci', at('hooks.example.org')]],
    ['what is not declared', ['env:ANTHROPIC_API_KEY', 'env', 'key:ci']],
  ])('not %s', (_, ask) => {
    expect(refusal(ask)).toMatchObject({ code: 'forbidden', hint: expect.stringContaining('RUNYARD_SECRETS') });
  });

  test('what is not there and what is not yours is told in the same words', () => {
    const told = (reference: string) =>
      refusal([reference, 'webhook', 'key:ann', at('hooks.example.com')])?.message.replace(reference, 'it');
    expect(told('env:HOOK_KEY')).toBe(told('env:NEVER_HEARD_OF'));
    expect(told('env:HOOK_KEY')).toBe(
      'The secret reference it is not declared for you to use as "webhook" at hooks.example.com:443.',
    );
  });

  test('nothing is declared where nothing was said', () => {
    expect(() => refuseUndeclared([], 'env:HOME', 'env', ci)).toThrow(/not declared for you to use as "env"\./);
  });
});
