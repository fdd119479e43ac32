import { describe, expect, test } from 'vitest';
import { readSecretDeclarations } from '../../../src/config/secrets.ts';
import { SettingsError } from '../../../src/lib/settings.ts';

const said = '--secrets (RUNYARD_SECRETS)';

function read(setting: string | undefined, files: Record<string, string> = {}) {
  return readSecretDeclarations(setting, said, {
    flags: [],
    env: {},
    userHome: '/home/u',
    isRoot: false,
    readFile: (path) => files[path],
  });
}

test('nothing said is nothing declared', () => {
  expect(read(undefined)).toEqual([]);
});

test('each entry is a reference, its uses, and perhaps its owner', () => {
  const setting =
    'env:GIT_TOKEN git@GitHub.com, env:BOTH git@git.example:2222 mcp@[::1]:8443 env,' +
    'secret-manager:npm-token env, env:HOOK_KEY webhook@hooks.example.com for=key:ci';
  expect(read(setting)).toEqual([
    { reference: 'env:GIT_TOKEN', uses: [{ use: 'git', host: 'github.com' }] },
    {
      reference: 'env:BOTH',
      uses: [
        { use: 'git', host: 'git.example', port: 2222 },
        { use: 'mcp', host: '[::1]', port: 8443 },
        { use: 'env' },
      ],
    },
    { reference: 'secret-manager:npm-token', uses: [{ use: 'env' }] },
    { reference: 'env:HOOK_KEY', uses: [{ use: 'webhook', host: 'hooks.example.com' }], owner: 'key:ci' },
  ]);
});

test('a file holds one a line, with comments and owners whose names hold anything', () => {
  const file = '# ours\nenv:A env\n\r\nenv:B env for=oidc:https://id.example#user,1\r\n';
  expect(read('@/secrets', { '/secrets': file })).toEqual([
    { reference: 'env:A', uses: [{ use: 'env' }] },
    { reference: 'env:B', uses: [{ use: 'env' }], owner: 'oidc:https://id.example#user,1' },
  ]);
});

test('the same reference may be declared for several owners', () => {
  expect(read('env:A env for=key:a, env:A env for=key:b')).toHaveLength(2);
});

describe('prior E3b: what is wrong names the setting, and a value that stands in its place is not repeated', () => {
  const value = 'ghp_0123456789abcdef';

  test.each<[string, string, RegExp]>([
    ['no scheme', 'GIT_TOKEN env', /entry 1 does not begin with env:NAME or secret-manager:NAME/],
    ['an unknown scheme', 'vault:x env', /entry 1 does not begin with env:NAME/],
    ['a name that is none of a variable', 'env:GIT-TOKEN env', /entry 1 does not begin with env:NAME/],
    ['a path in place of a name', 'secret-manager:projects/p/secrets/x env', /entry 1 does not begin with env:NAME/],
    ['a version', 'secret-manager:x/versions/1 env', /entry 1 does not begin with env:NAME/],
    ['a value in place of a use', `env:B env, env:A env ${value}`, /use 2 of env:A is not/],
    ['a value in place of a reference', `${value} env`, /entry 1 does not begin with env:NAME/],
    ['no use', 'env:A', /env:A says no use/],
    ['an owner alone', 'env:A for=key:ci', /env:A says no use/],
    ['two owners', 'env:A env for=a for=b', /env:A has no single owner/],
    ['an empty owner', 'env:A env for=', /env:A has no single owner/],
    ['git without a host', 'env:A git', /use 1 of env:A is not env, git@HOST/],
    ['env with a host', 'env:A env@x.example', /use 1 of env:A is not/],
    ['an unknown use', 'env:A sing@x.example', /use 1 of env:A is not/],
    ['a URL in place of a host', 'env:A git@https://x.example', /use 1 of env:A is not/],
    ['a port that is none', 'env:A git@x.example:ssh', /use 1 of env:A is not/],
    ['the same twice', 'env:A env, env:A git@x.example', /declared twice/],
    ['a file that is not there', '@/none', /names \/none, which is not there/],
  ])('%s', (_, setting, sentence) => {
    const reading = () => read(setting);
    expect(reading).toThrow(SettingsError);
    expect(reading).toThrow(sentence);
    expect(reading).toThrow('RUNYARD_SECRETS');
    expect(reading).not.toThrow(value);
  });

  test.each(['ANTHROPIC_API_KEY', 'CLAUDE_CODE_OAUTH_TOKEN', 'GOOGLE_APPLICATION_CREDENTIALS', 'RUNYARD_API_KEYS'])(
    "T6: %s is the server's own and can never be declared",
    (name) => {
      expect(() => read(`env:${name} env`)).toThrow(`${said}: env:${name} is the server's own`);
    },
  );
});
