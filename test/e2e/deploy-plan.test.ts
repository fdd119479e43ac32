import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { AdminOptions } from '../fakes/google/admin-world.ts';
import { type Cloud, openCloud, settings, writePackage } from './deploy-cloud.ts';

const main = new URL('../../src/main.ts', import.meta.url).pathname;
const image = `europe-docker.pkg.dev/p/r/runyard@sha256:${'ab'.repeat(32)}`;
const places = { home: '' };

beforeEach(() => {
  places.home = mkdtempSync(join(tmpdir(), 'runyard-home-'));
});
afterEach(() => rmSync(places.home, { recursive: true }));

/** The command as people start it, with nothing of this process's environment but PATH. */
function runyard(
  before: readonly string[],
  flags: readonly string[],
  env: Readonly<Record<string, string>> = settings,
) {
  const [command, ...args] = [...before, process.execPath, main, 'deploy', ...flags];
  return spawnSync(command!, args, {
    env: { PATH: process.env.PATH ?? '', HOME: places.home, METADATA_SERVER_DETECTION: 'none', ...env },
    cwd: places.home,
    encoding: 'utf8',
    timeout: 50_000,
  });
}

/** Runs a program where there is no network at all; undefined where this machine does not allow that. */
const withoutNetwork = [
  ['unshare', '-n'],
  ['unshare', '-rn'],
].find(([command, ...args]) => spawnSync(command!, [...args, 'true']).status === 0);

test.skipIf(withoutNetwork === undefined)(
  'without a network and without credentials the plan is complete, for an empty project (needs "unshare -n")',
  () => {
    const { status, stdout, stderr } = runyard(withoutNetwork!, ['--plan', '--service', '--image', image]);
    expect(status, stderr).toBe(0);
    expect(stdout).toMatch(
      /No Google credentials that work were found here\. So this is the plan for an empty project/,
    );
    for (const title of everything) expect(stdout).toMatch(new RegExp(`\\+ ${title} +will be made`));
    expect(stdout).not.toMatch(/is there|could not be looked at/);
    expect(readdirSync(places.home), 'nothing is left behind').toEqual([]);
  },
);

const everything = [
  'Google APIs',
  'Service account runyard-server',
  'Service account runyard-runner',
  'Bucket demo-project-runyard',
  'Roles on the bucket demo-project-runyard',
  'Key ring runyard',
  'Key tasks',
  'Roles on the key tasks',
  'Secret runyard-api-keys',
  'Secret npm',
  'Roles on the secret npm',
  'Job runyard-small',
  'Job runyard-medium',
  'Job runyard-large',
  'Roles on the job runyard-large',
  'Service runyard',
];

describe('on the command line', () => {
  test.each<[string, string[], Record<string, string>, RegExp]>([
    ['no project', ['--plan'], {}, /needs a project and a region: set RUNYARD_PROJECT/],
    ['a project without a region', ['--plan'], { RUNYARD_PROJECT: 'demo-project' }, /needs a project and a region/],
    ['a project that cannot be', ['--plan', '--project', 'Demo'], {}, /--project .* must be the id of a Google Cloud/],
    ['an unknown flag', ['--plna'], settings, /--plna is unknown/],
    ['a value where none belongs', ['--plan=yes'], settings, /--plan takes no value/],
    ['an image without a host', ['--image', 'runyard:1'], settings, /--image must be HOST\/PATH/],
    ['a tag elsewhere', ['--image', 'docker.io/a/b:1'], settings, /looked up in Artifact Registry only.*@sha256:/],
    ['a digest that is none', ['--image', 'eu.gcr.io/a/b@sha256:12'], settings, /--image must be HOST\/PATH/],
    ['no image', ['--image'], settings, /--image needs a value/],
    ['a network alone', ['--vpc', 'default'], settings, /--vpc must be NETWORK\/SUBNET/],
    ['removing and making', ['--remove', '--service'], settings, /--remove takes no other flag/],
    ['planning to remove', ['--plan', '--remove'], settings, /--remove takes no other flag/],
  ])('%s is exit code 2 and a sentence', (_, flags, env, sentence) => {
    const { status, stdout, stderr } = runyard([], flags, env);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(/^runyard deploy: /);
    expect(stderr).toMatch(sentence);
  });

  test('deploying without credentials makes nothing and says where they come from', () => {
    const { status, stderr } = runyard([], ['--image', image]);
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /No Google credentials that work were found here\. Run "gcloud auth application-default login"/,
    );
  });
});

const opened: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0)) await close();
});

async function open(options: AdminOptions = {}): Promise<Cloud> {
  const files = writePackage();
  const cloud = await openCloud(options, files.root);
  opened.push(() => cloud.close(), files.remove);
  return cloud;
}

function changes({ requests }: Cloud) {
  return requests.filter(({ method, url }) => method !== 'GET' && !url.endsWith(':getIamPolicy'));
}

describe('with a look at the project', () => {
  test('an empty one is planned whole; nothing is changed', async () => {
    const cloud = await open();
    const { exitCode, text } = await cloud.run(['--plan']);
    expect(exitCode, text).toBe(0);
    expect(text.match(/will be made/g)).toHaveLength(23);
    expect(changes(cloud)).toEqual([]);
    expect(text).toMatch(/small for 60 s: 60 × \(1 × 0\.000018 \+ 2 × 0\.000002\) = 0\.00132 USD/);
    expect(text).toMatch(/without --service nothing runs/);
  });

  test('what is there is told to be there, what is not will be made', async () => {
    const cloud = await open();
    await cloud.run([]);
    const made = cloud.requests.length;
    const { exitCode, text } = await cloud.run(['--plan', '--service']);
    expect(exitCode).toBe(0);
    expect(text).toMatch(/✔ Bucket demo-project-runyard +is there/);
    expect(text).toMatch(/\+ Service runyard +will be made/);
    expect(text).toMatch(/the service, always there: 52\.60 USD a month/);
    expect(changes({ ...cloud, requests: cloud.requests.slice(made) })).toEqual([]);
  });

  test('of a project that is not there it says so, plans for an empty one, and is exit code 1', async () => {
    const cloud = await open({ noProject: true });
    const { exitCode, text } = await cloud.run(['--plan']);
    expect(exitCode).toBe(1);
    expect(text).toMatch(/There is no project demo-project.*So this is the plan for an empty project/);
    expect(text.match(/will be made/g)).toHaveLength(23);
  });

  test('what may not be looked at is told, the rest is planned', async () => {
    const cloud = await open();
    await cloud.run([]);
    cloud.disturb = ({ url }) => (url.includes('/keyRings/runyard') ? { kind: 'refuse', status: 403 } : undefined);
    const { exitCode, text } = await cloud.run(['--plan']);
    expect(exitCode).toBe(1);
    expect(text).toMatch(
      /\? Key ring runyard +could not be looked at\n +Your credentials lack a permission of Cloud KMS/,
    );
    expect(text).toMatch(/✔ Job runyard-small +is there/);
  });
});
