import { isAbsolute, join } from 'node:path';
import { z } from 'zod';
import type { ModelEndpoint } from './contracts/task.ts';
import { defineSettings, SettingsError, type SettingsSources } from './lib/settings.ts';

/** Everything an operator can say, checked and complete. */
export interface Config {
  readonly home: string;
  readonly work: string;
  readonly backend: 'local';
  readonly sandbox: 'auto' | 'bubblewrap';
  readonly claudePath: string | undefined;
  /** Where to serve HTTP; stdio where undefined. */
  readonly http: HostPort | undefined;
  readonly auth: 'auto' | 'none';
  readonly apiKeys: readonly ApiKey[];
  /** `owner/name` or `owner/*`; undefined for any repository the token may write. */
  readonly githubRepos: readonly string[] | undefined;
  readonly retentionDays: number;
  /** A file of model prices in place of the package's. */
  readonly pricesFile: string | undefined;
  /** The server's own way to a model; undefined where no credential is there. */
  readonly model: ModelEndpoint | undefined;
  readonly github: { readonly apiUrl: string; readonly token: string | undefined };
}

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

export interface ApiKey {
  readonly id: string;
  readonly key: string;
}

export interface ConfigSources extends SettingsSources {
  readonly userHome: string;
  readonly isRoot: boolean;
  /** The text of a file; undefined where there is none. Throws where it cannot be read. */
  readonly readFile: (path: string) => string | undefined;
}

const absolutePath = z.string().refine((path) => isAbsolute(path), 'must be an absolute path');

const list = z.string().transform((text) =>
  text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== ''),
);

const schema = z
  .object({
    home: absolutePath,
    work: absolutePath,
    backend: z.literal('local', 'must be "local": this version has no other'),
    sandbox: z.enum(['auto', 'bubblewrap'], 'must be "auto" or "bubblewrap": this version has no other'),
    claude_path: absolutePath,
    http: z.string().transform(parseHostPort),
    api_keys: z.string(),
    auth: z.enum(['auto', 'none'], 'must be "auto" or "none"'),
    github_repos: list.refine(
      (repos) => repos.length > 0 && repos.every((repo) => /^[A-Za-z0-9-]+\/([\w.-]+|\*)$/.test(repo)),
      'must be "owner/name" or "owner/*", separated by commas',
    ),
    retention_days: z
      .string()
      .regex(/^[1-9]\d{0,3}$/, 'must be a number of days')
      .transform(Number),
    prices: absolutePath,
  })
  .partial();

/** Promised by the documentation, not there yet: said plainly, never ignored. */
const later = new Set([
  ...['image', 'secrets', 'allowed_domains', 'input_roots', 'callback_allow', 'git_allow', 'max_budget_usd'],
  ...['project', 'region', 'job', 'bucket', 'kms_key'],
  ...['run', 'storage', 'kms', 'secret_manager', 'sts'].map((service) => `${service}_endpoint`),
]);

const settings = defineSettings({ prefix: 'RUNYARD', schema, later });

/** Defaults < file < environment < flags. Throws SettingsError: one sentence that names flag and variable. */
export function readConfig(sources: ConfigSources): Config {
  const near = settings.fromNear(sources);
  const home = settings.parse(near).home ?? join(sources.userHome, '.runyard');
  const values = settings.parse({ ...readHomeFile(home, sources), ...near });
  return {
    home,
    work: values.work ?? (sources.isRoot ? '/var/lib/runyard' : join(home, 'work')),
    backend: values.backend ?? 'local',
    sandbox: values.sandbox ?? 'auto',
    claudePath: values.claude_path,
    http: values.http,
    auth: values.auth ?? 'auto',
    apiKeys: readApiKeys(values.api_keys, sources),
    githubRepos: values.github_repos,
    retentionDays: values.retention_days ?? 30,
    pricesFile: values.prices,
    ...readForeign(sources.env),
  };
}

function readHomeFile(home: string, { readFile }: ConfigSources) {
  const text = readText(join(home, 'config.json'), readFile);
  if (text === undefined) return {};
  const values = settings.fromFile(text);
  if (values.home !== undefined) throw new SettingsError('"home" cannot stand in config.json, which lies in it.');
  return values;
}

function readText(path: string, readFile: ConfigSources['readFile']): string | undefined {
  try {
    return readFile(path);
  } catch (cause) {
    throw new SettingsError(`${path} cannot be read.`, { cause });
  }
}

const keyLengthMin = 16;

/** Pairs separated by commas, or one a line in a file. Their text is a secret and never repeated. */
function readApiKeys(setting: string | undefined, { flags, readFile }: ConfigSources): ApiKey[] {
  if (setting === undefined) return [];
  const said = settings.describe('api_keys');
  if (!setting.startsWith('@') && flags.some((flag) => flag.startsWith('--api-keys'))) {
    throw new SettingsError(`${said} as a flag takes @FILE only: everybody here can read a command line.`);
  }
  const entries = (setting.startsWith('@') ? readKeyFile(setting.slice(1), readFile).split('\n') : setting.split(','))
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '' && !entry.startsWith('#'));
  if (entries.length === 0) throw new SettingsError(`${said} holds no key.`);
  const keys = entries.map((entry, index) => parseKey(entry, `${said}: entry ${index + 1}`));
  if (new Set(keys.map(({ key }) => key)).size < keys.length) throw new SettingsError(`${said}: one key stands twice.`);
  return keys;
}

function readKeyFile(path: string, readFile: ConfigSources['readFile']): string {
  const text = readFile(path);
  if (text === undefined)
    throw new SettingsError(`${settings.describe('api_keys')} names ${path}, which is not there.`);
  return text;
}

function parseKey(entry: string, said: string): ApiKey {
  const [, id, key] = /^([A-Za-z0-9._@-]{1,64}):(\S+)$/.exec(entry) ?? [];
  if (id === undefined || key === undefined) {
    throw new SettingsError(`${said} is not "id:key", with an id of letters, digits and ._@-.`);
  }
  if (key.length < keyLengthMin) throw new SettingsError(`${said} has a key shorter than ${keyLengthMin} characters.`);
  return { id, key };
}

function parseHostPort(text: string, context: z.core.$RefinementCtx): HostPort {
  const [, bracketed, plain, digits] = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (host !== undefined && port <= 65_535) return { host, port };
  context.issues.push({ code: 'custom', message: 'must be host:port, such as 127.0.0.1:8080', input: text });
  return z.NEVER;
}

const httpUrl = z.url({ protocol: /^https?$/ });

/** The variables whose names other programs gave. An empty one is none. */
function readForeign(env: ConfigSources['env']): Pick<Config, 'model' | 'github'> {
  const at = (name: string) => (env[name] === '' ? undefined : env[name]);
  const url = (name: string, standard: string) => {
    const parsed = httpUrl.safeParse(at(name) ?? standard);
    if (!parsed.success) throw new SettingsError(`${name} is not an http or https address.`);
    return parsed.data.replace(/\/+$/, '');
  };
  const baseUrl = url('ANTHROPIC_BASE_URL', 'https://api.anthropic.com');
  const credential = credentialOf(at('ANTHROPIC_API_KEY'), at('CLAUDE_CODE_OAUTH_TOKEN'));
  return {
    model: credential === undefined ? undefined : { baseUrl, credential },
    github: { apiUrl: url('GITHUB_API_URL', 'https://api.github.com'), token: at('GITHUB_TOKEN') },
  };
}

/** The key goes first, as it does for the `claude` program itself. */
function credentialOf(apiKey: string | undefined, oauthToken: string | undefined) {
  if (apiKey !== undefined) return { kind: 'api_key' as const, value: apiKey };
  if (oauthToken !== undefined) return { kind: 'oauth_token' as const, value: oauthToken };
  return undefined;
}
