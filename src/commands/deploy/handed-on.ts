import { hostPortText } from '../../config/places.ts';
import { type Config, type ForeignName, type SettingName, standardUrls } from '../../config.ts';
import { hostRuleText } from '../../contracts/hosts.ts';
import { SettingsError } from '../../lib/settings.ts';
import { isLoopback } from '../../server/loopback.ts';
import { type HandedOn, names } from './installation.ts';
import { gcloud } from './shell.ts';

/**
 * What the service is told of the operator's own settings, as they are at the moment. Throws SettingsError for one that the
 * service would need and can never read.
 */
export function handOn(config: Config): HandedOn {
  const fates = Object.entries(decisions).map(([name, decide]) => ({ variable: variableOf(name), ...decide(config) }));
  const given = fates.flatMap(({ variable, given }) => (given === undefined ? [] : [[variable, given] as const]));
  for (const [variable, value] of given) refuseTooLarge(variable, value);
  return {
    variables: Object.fromEntries(given),
    told: fates.flatMap(({ variable, told }) => (told === undefined ? [] : [`${variable}: ${told}`])),
  };
}

// --- Internal helpers ---

/** What becomes of a setting: the text that the service gets, and what the operator should know. */
interface Fate {
  readonly given?: string | undefined;
  readonly told?: string | undefined;
}

type Decide = (config: Config) => Fate;

/** The service has it from its steps: in its arguments, its environment or its secrets. */
const byDeploy: Decide = () => ({});

/** Handed on where it is set. */
const given =
  (text: (config: Config) => string | undefined): Decide =>
  (config) => ({ given: text(config) });

/** Of no use there; told of where it is set. */
const stays =
  (why: string, isSet: (config: Config) => boolean): Decide =>
  (config) => ({ told: isSet(config) ? `stays here. ${why}` : undefined });

/** Each setting has its place here: a new one does not compile without. */
const decisions: Readonly<Record<SettingName | ForeignName, Decide>> = {
  ...{ project: byDeploy, region: byDeploy, job: byDeploy, bucket: byDeploy, kms_key: byDeploy, backend: byDeploy },
  ...{ run_endpoint: byDeploy, storage_endpoint: byDeploy, kms_endpoint: byDeploy },
  ...{ secret_manager_endpoint: byDeploy, sts_endpoint: byDeploy },
  ...{ http: byDeploy, api_keys: byDeploy, retention_days: byDeploy, ANTHROPIC_API_KEY: byDeploy },
  secrets: secretsOfEnvironment,

  allowed_domains: given(({ allowedDomains }) => listed(allowedDomains.map(hostRuleText))),
  callback_allow: given(({ callbackAllow }) => listed(callbackAllow.map(hostPortText))),
  git_allow: given(({ gitAllow }) => listed(gitAllow.map(hostPortText))),
  github_repos: given(({ githubRepos = [] }) => listed(githubRepos)),
  max_budget_usd: given(({ maxBudgetUsd }) => maxBudgetUsd?.toString()),
  // The table itself: no file of this machine is there.
  prices: given(({ prices }) => prices && JSON.stringify(prices)),
  system_prompt: systemPrompt,
  ANTHROPIC_BASE_URL: address(({ modelBaseUrl }) => modelBaseUrl, standardUrls.model),
  GITHUB_API_URL: address(({ github }) => github.apiUrl, standardUrls.github),

  // The image has places of its own.
  home: byDeploy,
  work: byDeploy,
  sandbox: stays('The jobs choose their wall themselves.', ({ sandbox }) => sandbox !== 'auto'),
  image: stays('It is of a wall that no job has: see --image.', ({ image }) => image !== undefined),
  claude_path: stays('The image holds a claude program.', ({ claudePath }) => claudePath !== undefined),
  auth: stays('The service takes no call without a key.', ({ auth }) => auth !== 'auto'),
  input_roots: stays('The service has no folder of this machine.', ({ inputRoots }) => inputRoots.length > 0),
  CLAUDE_CODE_OAUTH_TOKEN: stays(
    "The service's own key for models lies in a secret of its own.",
    ({ model }) => model?.credential.kind === 'oauth_token',
  ),
  GITHUB_TOKEN: stays('Callers of the service bring one of their own.', ({ github }) => github.token !== undefined),
};

function variableOf(name: string): string {
  return name === name.toUpperCase() ? name : `RUNYARD_${name.toUpperCase()}`;
}

/** Of Cloud Run. */
const valueBytesMax = 32 * 1024;

function refuseTooLarge(variable: string, value: string): void {
  const bytes = Buffer.byteLength(value);
  if (bytes <= valueBytesMax) return;
  throw new SettingsError(
    `${variable} would be ${bytes} bytes for the service, and a variable of Cloud Run holds ${valueBytesMax}: make it smaller.`,
  );
}

function listed(entries: readonly string[]): string | undefined {
  return entries.length === 0 ? undefined : entries.join(',');
}

/** Those of Secret Manager go along with the others of the installation. */
function secretsOfEnvironment({ secrets }: Config): Fate {
  const here = new Set(secrets.map(({ reference }) => reference).filter((reference) => reference.startsWith('env:')));
  if (here.size === 0) return {};
  return { told: `${[...here].join(', ')} stays here. The service has no such variable: use secret-manager:NAME.` };
}

/** Of another bucket than ours, who may read it is its owner's to say. */
function systemPrompt({ systemPrompt: prompt, cloud }: Config): Fate {
  if (prompt === undefined) return {};
  if (prompt.kind === 'file' || (prompt.kind === 'secret' && prompt.reference.startsWith('env:'))) {
    const what = prompt.kind === 'file' ? `the file ${prompt.path}` : prompt.reference;
    throw new SettingsError(
      `--system-prompt (RUNYARD_SYSTEM_PROMPT) names ${what} of this machine, which the service cannot read: ` +
        'put the prompt into a bucket or a secret, and name it as gs://BUCKET/OBJECT or secret-manager:NAME.',
    );
  }
  if (prompt.kind === 'secret') return { given: prompt.reference };
  const told =
    cloud === undefined || prompt.bucket === cloud.bucket
      ? undefined
      : `the service must be let read it. ${gcloud(
          ...['storage', 'buckets', 'add-iam-policy-binding', `gs://${prompt.bucket}`],
          ...[`--member=${names.member(cloud, 'server')}`, '--role=roles/storage.objectViewer'],
        )}`;
  return { given: `gs://${prompt.bucket}/${prompt.name}`, told };
}

/** An address that only this machine reaches is of no use there. */
function address(of: (config: Config) => string, standard: string): Decide {
  return (config) => {
    const url = of(config);
    if (url === standard) return {};
    return isLoopback(new URL(url).hostname) ? { told: `stays here. ${url} is this machine.` } : { given: url };
  };
}
