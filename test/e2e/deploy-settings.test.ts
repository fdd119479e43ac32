import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readConfig } from '../../src/config.ts';
import { root } from '../architecture/source-files.ts';
import { open } from './deploy-bench.ts';
import { type Cloud, project, region } from './deploy-cloud.ts';

/** The operator's own settings in the service. */

const rates = { input: 1, output: 2, cacheWrite5m: 3, cacheWrite1h: 4, cacheRead: 5 };
const prices = { date: '2026-11-21', source: 'our contract; net', models: { 'a-model': rates } };
const files: Readonly<Record<string, string>> = { '/prices.json': JSON.stringify(prices) };
const handedOn = {
  RUNYARD_ALLOWED_DOMAINS: 'example.org,*.example.org,registry.example.org:8443',
  RUNYARD_CALLBACK_ALLOW: 'hooks.internal:8443,[fd00::1]:80',
  RUNYARD_GIT_ALLOW: 'git.internal:80',
  RUNYARD_GITHUB_REPOS: 'octo/*,octo/hello',
  RUNYARD_MAX_BUDGET_USD: '2.5',
  RUNYARD_SYSTEM_PROMPT: `gs://${project}-runyard/prompts/a prompt.md`,
  ANTHROPIC_BASE_URL: 'https://models.example.org/v1',
  GITHUB_API_URL: 'https://github.example.org/api/v3',
};
const env = { ...handedOn, RUNYARD_PRICES: '/prices.json' };

function environmentOf(cloud: Cloud): Readonly<Record<string, string>> {
  const service = cloud.state().run[`projects/${project}/locations/${region}/services/runyard`] as {
    template: { containers: { env: { name: string; value?: string }[] }[] };
  };
  return Object.fromEntries(service.template.containers[0]!.env.map(({ name, value = '(a secret)' }) => [name, value]));
}

describe('the settings of a service', () => {
  test('are those of whoever deploys, and a server reads them as they were', async () => {
    const cloud = await open();
    expect(await cloud.run(['--service'], { env, files })).toMatchObject({ exitCode: 0 });
    const inside = environmentOf(cloud);
    expect(inside).toMatchObject(handedOn);
    const read = (values: Readonly<Record<string, string>>) =>
      readConfig({
        ...{ flags: [], userHome: '/h', isRoot: false, readFile: (path) => files[path] },
        env: { ...values, RUNYARD_API_KEYS: '' },
      });
    const server = read(inside);
    const here = read({ ...inside, ...env });
    expect(server).toEqual(here);
    expect(server.prices).toEqual(prices);
  });

  test('are those that the README names', () => {
    const readme = readFileSync(join(root, 'README.md'), 'utf8');
    const [told = ''] = /^The service gets your settings.*? A default prompt must/ms.exec(readme) ?? [];
    const names = [...told.matchAll(/`([A-Z_]+)`/g)].map(([, name]) => name);
    expect(names.sort()).toEqual([...Object.keys(env), 'RUNYARD_RETENTION_DAYS', 'RUNYARD_SECRETS'].sort());
  });

  test('are not made twice, follow a change, and go when they are set no more', async () => {
    const cloud = await open();
    await cloud.run(['--service'], { env, files });
    expect((await cloud.run([], { env, files })).text).toMatch(/Service runyard +was there/);
    const more = { ...env, RUNYARD_MAX_BUDGET_USD: '3' };
    expect((await cloud.run([], { env: more, files })).text).toMatch(/Service runyard +changed/);
    expect(environmentOf(cloud)).toMatchObject({ RUNYARD_MAX_BUDGET_USD: '3' });
    await cloud.run([]);
    expect(Object.keys(environmentOf(cloud)).sort()).toEqual([
      'RUNYARD_API_KEYS',
      ...['BACKEND', 'BUCKET', 'JOB', 'KMS_KEY', 'PROJECT', 'REGION', 'RETENTION_DAYS', 'SECRETS'].map(
        (name) => `RUNYARD_${name}`,
      ),
    ]);
  });

  test('are told by the plan, with those that stay and why', async () => {
    const cloud = await open();
    const local = {
      RUNYARD_INPUT_ROOTS: '/srv/data',
      RUNYARD_SANDBOX: 'container',
      RUNYARD_IMAGE: 'localhost/mine',
      RUNYARD_CLAUDE_PATH: '/opt/claude',
      RUNYARD_AUTH: 'none',
      RUNYARD_HOME: '/srv/home',
      GITHUB_TOKEN: 'ghp_never-told',
      CLAUDE_CODE_OAUTH_TOKEN: 'sk-ant-oat01-never-told',
      ANTHROPIC_BASE_URL: 'http://127.0.0.1:9999',
    };
    const { exitCode, text } = await cloud.run(['--plan', '--service'], { env: { ...env, ...local }, files });
    expect(exitCode, text).toBe(0);
    const stay = [...text.matchAll(/^ +(\w+): (?:env:LOCAL )?stays here/gm)].map(([, name]) => name);
    expect(stay.sort()).toEqual([
      ...['ANTHROPIC_BASE_URL', 'CLAUDE_CODE_OAUTH_TOKEN', 'GITHUB_TOKEN', 'RUNYARD_AUTH', 'RUNYARD_CLAUDE_PATH'],
      ...['RUNYARD_IMAGE', 'RUNYARD_INPUT_ROOTS', 'RUNYARD_SANDBOX', 'RUNYARD_SECRETS'],
    ]);
    expect(text).toMatch(/it gets these settings as they are here now: RUNYARD_ALLOWED_DOMAINS, /);
    // The prices hold the sign that usually parts variables.
    expect(text).toMatch(/--set-env-vars=\^\|\^RUNYARD_BACKEND=cloud-run\|.*\|RUNYARD_MAX_BUDGET_USD=2\.5\|/);
    expect(text).not.toContain('never-told');
    // Without a service nothing is said of them.
    expect((await cloud.run(['--plan'], { env: { ...env, ...local }, files })).text).not.toMatch(
      /stays here|these settings/,
    );
  });

  test('a default prompt that lies on this machine is refused, where there is a service or is to be one', async () => {
    const cloud = await open();
    const file = { env: { RUNYARD_SYSTEM_PROMPT: '@/srv/prompt.md' } };
    const sentence =
      /names the file \/srv\/prompt\.md of this machine, which the service cannot read: put .*gs:\/\/BUCKET\/OBJECT or secret-manager:NAME/;
    for (const flags of [['--service'], ['--plan', '--service']]) {
      await expect(cloud.run(flags, file)).rejects.toThrow(sentence);
    }
    const variable = { env: { RUNYARD_SYSTEM_PROMPT: 'env:PROMPT' } };
    await expect(cloud.run(['--service'], variable)).rejects.toThrow(/names env:PROMPT of this machine/);
    expect(cloud.requests).toEqual([]);
    expect(await cloud.run([], file)).toMatchObject({ exitCode: 0 });
    await cloud.run(['--service']);
    await expect(cloud.run([], file)).rejects.toThrow(sentence);
    expect(await cloud.run(['--remove'], file)).toMatchObject({ exitCode: 0 });
  });

  test('a default prompt in a secret: the server, and nobody else, may read it', async () => {
    const cloud = await open();
    const secret = { env: { RUNYARD_SYSTEM_PROMPT: 'secret-manager:prompt' } };
    const { exitCode, text } = await cloud.run(['--service'], secret);
    expect(exitCode, text).toBe(0);
    expect(text).toMatch(/Secret prompt: it has no value yet: gcloud secrets versions add prompt/);
    expect(environmentOf(cloud)).toMatchObject(secret.env);
    expect(cloud.secrets.policyOf(`projects/${project}/secrets/prompt`)?.bindings).toEqual([
      expect.objectContaining({
        role: 'roles/secretmanager.secretAccessor',
        members: [`serviceAccount:runyard-server@${project}.iam.gserviceaccount.com`],
      }),
    ]);
  });

  test('a default prompt in a bucket of somebody else: how the server may read it is told', async () => {
    const cloud = await open();
    const { text } = await cloud.run(['--service'], { env: { RUNYARD_SYSTEM_PROMPT: 'gs://words/prompt.md' } });
    expect(text).toContain(
      `gcloud storage buckets add-iam-policy-binding gs://words --member=serviceAccount:runyard-server@${project}.iam.gserviceaccount.com --role=roles/storage.objectViewer`,
    );
  });

  test('prices that no variable of Cloud Run can hold are refused', async () => {
    const cloud = await open();
    const models = Object.fromEntries(Array.from({ length: 500 }, (_, at) => [`model-${at}`, rates]));
    const many = { '/prices.json': JSON.stringify({ ...prices, models }) };
    await expect(cloud.run(['--service'], { env, files: many })).rejects.toThrow(/RUNYARD_PRICES would be \d+ bytes/);
  });
});
