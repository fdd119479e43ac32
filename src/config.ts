import { isAbsolute, join } from 'node:path';
import { z } from 'zod';
import { type ApiKey, readApiKeys } from './config/api-keys.ts';
import { cloudPlace, cloudSettings, requireCloudPlace } from './config/cloud.ts';
import { type HostPort, hostPortOf, hostPorts, hostRules } from './config/places.ts';
import { readPrices, standsItself } from './config/prices.ts';
import { readSecretDeclarations } from './config/secrets.ts';
import type { ConfigSources } from './config/sources.ts';
import { type PromptPlace, readPromptPlace } from './config/system-prompt.ts';
import type { CloudPlace } from './contracts/cloud.ts';
import type { HostRule } from './contracts/hosts.ts';
import type { Prices } from './contracts/prices.ts';
import type { SecretDeclaration } from './contracts/secrets.ts';
import type { ModelEndpoint } from './contracts/task.ts';
import { defineSettings, SettingsError } from './lib/settings.ts';

export type { ApiKey } from './config/api-keys.ts';
export type { HostPort } from './config/places.ts';
export type { ConfigSources } from './config/sources.ts';

/** Everything an operator can say, checked and complete. */
export interface Config {
  readonly home: string;
  readonly work: string;
  readonly backend: 'local' | 'cloud-run';
  readonly sandbox: 'auto' | 'bubblewrap' | 'container' | 'cloud-run-launcher';
  /** Of the `container` wall; that of the package's version where undefined. */
  readonly image: string | undefined;
  /** Where the installation in the cloud lies; always there for the backend `cloud-run`. */
  readonly cloud: CloudPlace | undefined;
  /** What callers may reference, and for what. */
  readonly secrets: readonly SecretDeclaration[];
  readonly claudePath: string | undefined;
  /** Where to serve HTTP; stdio where undefined. */
  readonly http: HostPort | undefined;
  readonly auth: 'auto' | 'none';
  readonly apiKeys: readonly ApiKey[];
  /** `owner/name` or `owner/*`; undefined for any repository the token may write. */
  readonly githubRepos: readonly string[] | undefined;
  readonly retentionDays: number;
  /** Of models, in place of the package's. */
  readonly prices: Prices | undefined;
  /** Where the default prompt of Claude tasks stands; none where undefined. */
  readonly systemPrompt: PromptPlace | undefined;
  /** What callers may let their programs reach. */
  readonly allowedDomains: readonly HostRule[];
  /** Where webhooks may go though it is private or plain http. */
  readonly callbackAllow: readonly HostPort[];
  /** Folders of this machine that callers may bring inputs from. */
  readonly inputRoots: readonly string[];
  /** Where repositories may lie though it is private or plain http. */
  readonly gitAllow: readonly HostPort[];
  /** The most that one run may spend on models. */
  readonly maxBudgetUsd: number | undefined;
  /** The server's own way to a model; undefined where no credential is there. */
  readonly model: ModelEndpoint | undefined;
  /** Where models are, whoever brings the credential. */
  readonly modelBaseUrl: string;
  readonly github: { readonly apiUrl: string; readonly token: string | undefined };
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
    backend: z.enum(['local', 'cloud-run'], 'must be "local" or "cloud-run"'),
    sandbox: z.enum(
      ['auto', 'bubblewrap', 'container', 'cloud-run-launcher'],
      'must be "auto", "bubblewrap", "container" or "cloud-run-launcher"',
    ),
    image: z.string(),
    secrets: z.string(),
    ...cloudSettings,
    claude_path: absolutePath,
    http: z.string().transform(parseHostPort),
    api_keys: z.string(),
    auth: z.enum(['auto', 'none'], 'must be "auto" or "none"'),
    github_repos: list.refine(
      (repos) => repos.length > 0 && repos.every((repo) => /^[\w-]+\/([\w.-]+|\*)$/.test(repo)),
      'must be "owner/name" or "owner/*", separated by commas',
    ),
    retention_days: z
      .string()
      .regex(/^[1-9]\d{0,3}$/, 'must be a number of days')
      .transform(Number),
    prices: z.string().refine((text) => isAbsolute(text) || standsItself(text), 'must be an absolute path or JSON'),
    system_prompt: z.string(),
    allowed_domains: hostRules,
    callback_allow: hostPorts,
    git_allow: hostPorts,
    input_roots: list.refine(
      (paths) => paths.every((path) => isAbsolute(path)),
      'must be absolute paths, separated by commas',
    ),
    max_budget_usd: z
      .string()
      .regex(/^\d{1,6}(\.\d{1,6})?$/, 'must be an amount of dollars, such as 2.50')
      .transform(Number)
      .refine((usd) => usd > 0, 'must be more than 0'),
  })
  .partial();

/** Each is a variable `RUNYARD_…`. */
export type SettingName = keyof z.infer<typeof schema>;

const settings = defineSettings({ prefix: 'RUNYARD', schema });

/** Defaults < file < environment < flags. Throws SettingsError: one sentence that names flag and variable. */
export function readConfig(sources: ConfigSources): Config {
  const near = settings.fromNear(sources);
  const home = settings.parse(near).home ?? join(sources.userHome, '.runyard');
  const values = settings.parse({ ...readHomeFile(home, sources), ...near });
  const cloud = (values.backend === 'cloud-run' ? requireCloudPlace : cloudPlace)(values, sources.env);
  return {
    home,
    work: values.work ?? (sources.isRoot ? '/var/lib/runyard' : join(home, 'work')),
    backend: values.backend ?? 'local',
    sandbox: values.sandbox ?? 'auto',
    image: values.image,
    cloud,
    secrets: readSecretDeclarations(values.secrets, settings.describe('secrets'), sources),
    claudePath: values.claude_path,
    http: values.http,
    auth: values.auth ?? 'auto',
    apiKeys: readApiKeys(values.api_keys, settings.describe('api_keys'), sources),
    githubRepos: values.github_repos,
    retentionDays: values.retention_days ?? 30,
    prices: readPrices(values.prices, settings.describe('prices'), sources),
    systemPrompt: readPromptPlace(values.system_prompt, settings.describe('system_prompt'), cloud !== undefined),
    allowedDomains: values.allowed_domains ?? [],
    callbackAllow: values.callback_allow ?? [],
    gitAllow: values.git_allow ?? [],
    inputRoots: values.input_roots ?? [],
    maxBudgetUsd: values.max_budget_usd,
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

function parseHostPort(text: string, context: z.core.$RefinementCtx): HostPort {
  const place = hostPortOf(text);
  if (place !== undefined) return place;
  context.issues.push({ code: 'custom', message: 'must be host:port, such as 127.0.0.1:8080', input: text });
  return z.NEVER;
}

const httpUrl = z.url({ protocol: /^https?$/ });

/** Variables whose names other programs gave. */
export type ForeignName =
  | 'ANTHROPIC_API_KEY'
  | 'CLAUDE_CODE_OAUTH_TOKEN'
  | 'ANTHROPIC_BASE_URL'
  | 'GITHUB_TOKEN'
  | 'GITHUB_API_URL';

/** What counts where they say no other. */
export const standardUrls = { model: 'https://api.anthropic.com', github: 'https://api.github.com' } as const;

/** An empty one is none. */
function readForeign(env: ConfigSources['env']): Pick<Config, 'model' | 'modelBaseUrl' | 'github'> {
  const at = (name: ForeignName) => (env[name] === '' ? undefined : env[name]);
  const url = (name: ForeignName, standard: string) => {
    const parsed = httpUrl.safeParse(at(name) ?? standard);
    if (!parsed.success) throw new SettingsError(`${name} is not an http or https address.`);
    return parsed.data.replace(/\/+$/, '');
  };
  const baseUrl = url('ANTHROPIC_BASE_URL', standardUrls.model);
  const credential = credentialOf(at('ANTHROPIC_API_KEY'), at('CLAUDE_CODE_OAUTH_TOKEN'));
  return {
    model: credential === undefined ? undefined : { baseUrl, credential },
    modelBaseUrl: baseUrl,
    github: { apiUrl: url('GITHUB_API_URL', standardUrls.github), token: at('GITHUB_TOKEN') },
  };
}

/** The key goes first, as it does for the `claude` program itself. */
function credentialOf(apiKey: string | undefined, oauthToken: string | undefined) {
  if (apiKey !== undefined) return { kind: 'api_key' as const, value: apiKey };
  if (oauthToken !== undefined) return { kind: 'oauth_token' as const, value: oauthToken };
  return undefined;
}
