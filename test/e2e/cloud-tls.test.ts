import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type MetadataServer, startMetadataServer } from '../fakes/google/metadata.ts';
import type { Visit } from '../fakes/google/policy-door.ts';
import { emailOf, type Google, startGoogle } from '../fakes/google/yard.ts';
import { deployed, inWords } from './deployed.ts';
import { createHome, type Served, serve } from './served.ts';

/** As in Google Cloud: over TLS, with the default credentials of a machine whose metadata server gives them. */

const hasOpenssl = spawnSync('openssl', ['version']).status === 0;

describe.skipIf(!hasOpenssl)('over TLS with default credentials (needs openssl for a certificate)', () => {
  const { home, remove } = createHome();
  const folder = mkdtempSync(join(tmpdir(), 'runyard-tls-'));
  const [keyFile, certificateFile] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')];
  let machines: { readonly server: MetadataServer; readonly runner: MetadataServer };
  let bindings: Awaited<ReturnType<typeof deployed>>['bindings'];
  let google: Google;
  let served: Served;

  beforeAll(async () => {
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-days', '1', '-nodes'];
    const made = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-keyout', keyFile];
    execFileSync('openssl', ['req', '-x509', ...subject, ...made, '-out', certificateFile], { stdio: 'ignore' });
    const machineOf = (account: 'server' | 'runner') =>
      startMetadataServer({ project: 'a-project', email: emailOf(account) });
    machines = { server: await machineOf('server'), runner: await machineOf('runner') };
    ({ bindings } = await deployed());
    google = await startGoogle({
      access: {
        bindings,
        secure: {
          tls: { key: readFileSync(keyFile, 'utf8'), cert: readFileSync(certificateFile, 'utf8') },
          metadata: { [emailOf('server')]: machines.server, [emailOf('runner')]: machines.runner },
        },
      },
      jobEnv: environmentOf(machines.runner),
    });
    served = await serve(home, { ...google.env, ...environmentOf(machines.server) });
  });
  afterAll(async () => {
    await served.close();
    await google.close();
    await Promise.all([machines.server.close(), machines.runner.close()]);
    rmSync(folder, { recursive: true });
    remove();
  });

  /** What a process on such a machine sees; what whoever runs the tests is logged in to is none of its business. */
  function environmentOf(machine: MetadataServer): Record<string, string> {
    return {
      NODE_EXTRA_CA_CERTS: certificateFile,
      GCE_METADATA_HOST: machine.host,
      METADATA_SERVER_DETECTION: 'assume-present',
      CLOUDSDK_CONFIG: folder,
    };
  }

  /** Whose token it came with. */
  const holderOf = ({ token = '' }: Visit) => {
    if (machines.server.gave(token)) return 'server';
    if (machines.runner.gave(token)) return 'runner';
    return google.sts.boundaryOf(token) === undefined ? 'nobody' : 'task';
  };

  test('a program runs, and every request carries the token of the account that sends it', async () => {
    const code = 'echo hello; echo x > output/x';
    const answer = await served.call('execute_code', { language: 'bash', code, runs: 2 });
    expect(answer).toMatchObject({ status: 'succeeded', runs: [{ stdout: 'hello\n' }, { stdout: 'hello\n' }] });
    const { server, runner } = google.access!;
    expect(Object.values(server.endpoints).every((url) => url.startsWith('https://localhost:'))).toBe(true);
    expect(new Set(server.visits.map(holderOf))).toEqual(new Set(['server']));
    expect(new Set(server.visits.map(({ service }) => service))).toEqual(new Set(['run', 'storage', 'kms', 'sts']));
    // A runner reads with the token of its task, and does everything else as its own account.
    const ways = runner.visits.map((visit) => `${visit.service} ${visit.method} as ${holderOf(visit)}`);
    expect(new Set(ways)).toEqual(new Set(['storage GET as task', 'storage POST as runner', 'kms POST as runner']));
    expect([...server.visits, ...runner.visits].filter(({ status }) => status === 401)).toEqual([]);
  });

  test('a denial names the account', async () => {
    const executor = bindings.find((each) => /jobsExecutor.*runyard-medium/.test(inWords(each)))!;
    const giveBack = google.access!.policy.takeAway(executor);
    const refusal = await served.refusal('execute_code', { language: 'bash', code: 'true', size: 'medium' });
    giveBack();
    expect(refusal).toContain(`${emailOf('server')} lacks the permission run.jobs.runWithOverrides`);
  });

  test('a credential that Google does not take is told as that, with the command that brings another', async () => {
    const stranger = await startMetadataServer({ project: 'a-project', email: 'stranger@example.com' });
    const own = createHome();
    const lost = await serve(own.home, { ...google.env, ...environmentOf(stranger) });
    expect(await lost.refusal('execute_code', { language: 'bash', code: 'true' })).toMatch(
      /Google (does not take|takes no) .*credential.*gcloud auth application-default login/s,
    );
    await lost.close();
    await stranger.close();
    own.remove();
  });
});
