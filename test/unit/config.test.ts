import { describe, expect, test } from 'vitest';
import { type ConfigSources, readConfig } from '../../src/config.ts';
import { SettingsError } from '../../src/lib/settings.ts';

const key = 'k'.repeat(16);

function sources(more: Partial<ConfigSources> & { files?: Record<string, string> } = {}): ConfigSources {
  const { files = {}, ...rest } = more;
  return { flags: [], env: {}, userHome: '/home/u', isRoot: false, readFile: (path) => files[path], ...rest };
}

test('nothing said is a local server on stdio', () => {
  expect(readConfig(sources())).toEqual({
    home: '/home/u/.runyard',
    work: '/home/u/.runyard/work',
    backend: 'local',
    sandbox: 'auto',
    image: undefined,
    cloud: undefined,
    secrets: [],
    claudePath: undefined,
    http: undefined,
    auth: 'auto',
    apiKeys: [],
    githubRepos: undefined,
    retentionDays: 30,
    prices: undefined,
    systemPrompt: undefined,
    allowedDomains: [],
    callbackAllow: [],
    gitAllow: [],
    inputRoots: [],
    maxBudgetUsd: undefined,
    model: undefined,
    modelBaseUrl: 'https://api.anthropic.com',
    github: { apiUrl: 'https://api.github.com', token: undefined },
  });
  expect(readConfig(sources({ isRoot: true })).work).toBe('/var/lib/runyard');
});

test('defaults, then the file, then the environment, then flags', () => {
  const files = { '/h/config.json': '{ "retention_days": 1, "http": "127.0.0.1:1", "github_repos": ["a/b", "c/*"] }' };
  const env = { RUNYARD_HOME: '/h', RUNYARD_RETENTION_DAYS: '2', RUNYARD_CLAUDE_PATH: '' };
  const read = (flags: string[]) => readConfig(sources({ files, env, flags }));
  expect(read([])).toMatchObject({
    retentionDays: 2,
    http: { host: '127.0.0.1', port: 1 },
    githubRepos: ['a/b', 'c/*'],
  });
  expect(read(['--retention-days=3', '--http', '[::1]:80'])).toMatchObject({
    retentionDays: 3,
    http: { host: '::1', port: 80 },
  });
  expect(read(['--home', '/other'])).toMatchObject({ home: '/other', http: undefined });
});

test('keys stand in the variable, or one a line in a file', () => {
  const files = { '/keys': `# ours\nci:${key}1\n\nbob:${key}2\r\n` };
  expect(readConfig(sources({ files, flags: ['--api-keys', '@/keys'] })).apiKeys).toEqual([
    { id: 'ci', key: `${key}1` },
    { id: 'bob', key: `${key}2` },
  ]);
  expect(readConfig(sources({ env: { RUNYARD_API_KEYS: `a:${key}, b@x:${key}:more` } })).apiKeys).toEqual([
    { id: 'a', key },
    { id: 'b@x', key: `${key}:more` },
  ]);
});

test('variables of other programs keep their meaning', () => {
  const env = {
    ANTHROPIC_API_KEY: 'sk',
    CLAUDE_CODE_OAUTH_TOKEN: 'oat',
    ANTHROPIC_BASE_URL: 'http://127.0.0.1:1/x/',
    GITHUB_TOKEN: 'gh',
    GITHUB_API_URL: 'https://ghe.example/api/v3',
  };
  expect(readConfig(sources({ env }))).toMatchObject({
    model: { baseUrl: 'http://127.0.0.1:1/x', credential: { kind: 'api_key', value: 'sk' } },
    github: { apiUrl: 'https://ghe.example/api/v3', token: 'gh' },
  });
  expect(readConfig(sources({ env: { ...env, ANTHROPIC_API_KEY: '' } })).model?.credential).toEqual({
    kind: 'oauth_token',
    value: 'oat',
  });
});

describe('what is wrong stops the start with one sentence that names it', () => {
  const file = (text: string) => ({ files: { '/home/u/.runyard/config.json': text } });

  test.each<[string, Parameters<typeof sources>[0], RegExp]>([
    [
      'an unknown flag',
      { flags: ['--color', 'red'] },
      /^--color is unknown\. The settings are --home \(RUNYARD_HOME\), /,
    ],
    ['an unknown variable', { env: { RUNYARD_COLOR: 'red' } }, /^RUNYARD_COLOR is unknown/],
    ['an unknown field of the file', file('{"color":"red"}'), /^"color" in the configuration file is unknown/],
    ['an unknown backend', { env: { RUNYARD_BACKEND: 'moon' } }, /^--backend \(RUNYARD_BACKEND\) must be "local"/],
    [
      'a cloud without a place',
      { env: { RUNYARD_BACKEND: 'cloud-run' } },
      /needs a project and a region: set RUNYARD_/,
    ],
    ['an unknown sandbox', { flags: ['--sandbox=sand'] }, /^--sandbox \(RUNYARD_SANDBOX\) must be "auto", "bubblew/],
    ['an argument', { flags: ['red'] }, /^"red" is no flag/],
    ['a flag without a value', { flags: ['--http'] }, /^--http \(RUNYARD_HTTP\) needs a value/],
    ['a port alone', { flags: ['--http', '8080'] }, /^--http \(RUNYARD_HTTP\) must be host:port/],
    ['a port beyond ports', { flags: ['--http', 'localhost:99999'] }, /^--http \(RUNYARD_HTTP\) must be host:port/],
    ['a relative home', { env: { RUNYARD_HOME: 'here' } }, /^--home \(RUNYARD_HOME\) must be an absolute path/],
    [
      'an address in place of a host',
      { env: { RUNYARD_ALLOWED_DOMAINS: '10.0.0.1' } },
      /^--allowed-domains .* must be hosts/,
    ],
    [
      'a receiver without a port',
      { env: { RUNYARD_CALLBACK_ALLOW: 'hooks' } },
      /^--callback-allow .* must be host:port/,
    ],
    ['a relative root', { env: { RUNYARD_INPUT_ROOTS: 'here' } }, /^--input-roots .* must be absolute paths/],
    ['no budget', { env: { RUNYARD_MAX_BUDGET_USD: '0' } }, /^--max-budget-usd .* must be more than 0/],
    ['a wrong auth', { env: { RUNYARD_AUTH: 'maybe' } }, /^--auth \(RUNYARD_AUTH\) must be/],
    ['no days', { env: { RUNYARD_RETENTION_DAYS: '0' } }, /^--retention-days .* must be a number of days/],
    ['a wrong repository', { env: { RUNYARD_GITHUB_REPOS: 'a' } }, /^--github-repos .* must be "owner\/name"/],
    ['a file that is no JSON', file('{'), /^The configuration file is not valid JSON/],
    ['a file of the wrong shape', file('[]'), /^The configuration file must hold one JSON object/],
    ['a wrong value in the file', file('{"http":true}'), /^"http" in the configuration file must be a string/],
    ['home in its own file', file('{"home":"/x"}'), /^"home" cannot stand in config.json/],
    ['a key without id', { env: { RUNYARD_API_KEYS: key } }, /^--api-keys .*: entry 1 is not "id:key"/],
    ['a short key', { env: { RUNYARD_API_KEYS: `a:${key},b:short` } }, /^--api-keys .*: entry 2 has a key shorter/],
    ['the same key twice', { env: { RUNYARD_API_KEYS: `a:${key},b:${key}` } }, /stands twice/],
    ['a key file that is not there', { env: { RUNYARD_API_KEYS: '@/none' } }, /names \/none, which is not there/],
    ['a key as a flag', { flags: [`--api-keys=a:${key}`] }, /takes @FILE only/],
    ['a wrong address of the model', { env: { ANTHROPIC_BASE_URL: 'ftp://x' } }, /^ANTHROPIC_BASE_URL is not an http/],
  ])('%s', (_, said, sentence) => {
    const read = () => readConfig(sources(said));
    expect(read).toThrow(SettingsError);
    expect(read).toThrow(sentence);
    expect(read).not.toThrow(key);
  });
});
