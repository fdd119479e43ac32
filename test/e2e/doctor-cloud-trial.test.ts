import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, type TestContext, test, vi } from 'vitest';
import type { Finding } from '../../src/contracts/sandbox.ts';
import { contention } from '../bench/load.ts';
import type { RecordedRequest } from '../fakes/google/server.ts';
import { bucket, type DoctorYard, openDoctorYard, project, strangers } from './doctor-yard.ts';

/** The task that the doctor tries, and the command as a process of its own. */

let yard: DoctorYard;
beforeAll(async () => {
  vi.stubEnv('LOCAL', 'value-of-local');
  yard = await openDoctorYard();
});
afterAll(async () => {
  await yard.close();
  vi.unstubAllEnvs();
});

const isLook = ({ method, url }: RecordedRequest) => method === 'GET' || /:(get|test)IamPolicy|:batchGet/.test(url);

const left = () => [...yard.storage.objects(bucket).keys()].filter((key) => !key.startsWith('meta/'));
const trialOf = async (options: Parameters<DoctorYard['examine']>[0]) => {
  const { ok, findings } = await yard.examine(options);
  return { ok, trial: findings.find(({ subject }) => subject === 'trial') };
};

describe('the trial', () => {
  test('that does not begin is told, cancelled and forgotten', async () => {
    yard.run.plan({ neverStarts: true });
    const lines: string[] = [];
    const { ok, trial } = await trialOf({ withinMs: 6000, tell: (line) => lines.push(line) });
    expect(ok).toBe(false);
    expect(trial).toEqual({
      subject: 'trial',
      state: 'missing',
      detail: expect.stringMatching(/^still queued after \d+\.\d s, and cancelled$/),
      remedy: expect.stringContaining('gcloud run jobs executions list --job=runyard-small'),
    });
    expect(lines[1]).toMatch(/^\.\.\. queued for \d\.\d s$/);
    expect(yard.run.executions().at(-1)!.tasks[0]!.state).toBe('cancelled');
    expect(left()).toEqual([]);
  });

  test('that is stopped leaves nothing behind', async () => {
    yard.run.plan({ neverStarts: true });
    const stop = new AbortController();
    const before = yard.run.executions().length;
    const tried = trialOf({ signal: stop.signal });
    await expect.poll(() => yard.run.executions().length, { timeout: 40_000 }).toBe(before + 1);
    stop.abort();
    const { ok, trial } = await tried;
    expect({ ok, trial }).toMatchObject({ ok: false, trial: { detail: 'stopped by you' } });
    expect(yard.run.executions().at(-1)!.tasks[0]!.state).toBe('cancelled');
    expect(left()).toEqual([]);
  });

  test('looks change nothing', async () => {
    const state = yard.admin.state();
    const before = yard.admin.requests.length;
    await yard.looks();
    expect(yard.admin.state()).toEqual(state);
    const asked = yard.admin.requests.slice(before);
    expect(asked.length).toBeGreaterThan(5);
    expect(asked.filter((request) => !isLook(request))).toEqual([]);
  });
});

const main = new URL('../../src/main.ts', import.meta.url).pathname;

/** A home that walls of other users can get through, gone with the test. */
function homeOf({ onTestFinished }: TestContext): string {
  const home = mkdtempSync(join(tmpdir(), 'runyard-home-'));
  chmodSync(home, 0o711);
  onTestFinished(() => rmSync(home, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }));
  return home;
}

/** As a process of its own, which the fakes of this one answer. */
async function doctor(home: string, flags: readonly string[], env: Readonly<Record<string, string>>) {
  const { PATH = '' } = process.env;
  const { exitCode, stdout, stderr } = await execa(process.execPath, [main, 'doctor', ...flags], {
    env: { PATH, ...strangers, HOME: home, RUNYARD_HOME: home, LOCAL: 'value-of-local', ...env },
    extendEnv: false,
    reject: false,
    stripFinalNewline: false,
    timeout: 50_000,
  });
  expect(stdout + stderr).not.toMatch(/value-of-|ya29|placeholder|\n +at \S+ \(/);
  return { exitCode, stdout, stderr };
}

function findingsOf(stdout: string) {
  const { findings } = JSON.parse(stdout) as { findings: Finding[] };
  return Object.fromEntries(findings.map(({ subject, ...told }) => [subject, told]));
}

describe('the command', () => {
  test('exit code 0 where a task ran, on emulators as well; progress is on stderr', async (context) => {
    const { exitCode, stdout, stderr } = await doctor(homeOf(context), ['--json'], yard.env);
    const at = findingsOf(stdout);
    expect({ exitCode, trial: at.trial?.state, wall: at.wall?.state }, stdout).toEqual({
      exitCode: 0,
      trial: 'ok',
      wall: 'ok',
    });
    expect(at.project).toEqual({ state: 'limited', detail: 'not looked at: the emulators have no such thing' });
    expect(stderr).toMatch(/^A small task is on its way to runyard-small/);
  });

  test('exit code 1 where none can run, in words', async (context) => {
    const { exitCode, stdout } = await doctor(homeOf(context), [], { ...yard.env, RUNYARD_JOB: 'nobodys' });
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/^Runyard \S+, backend cloud-run\n/);
    expect(stdout).toMatch(/✘ job small +there is no job nobodys-small in europe-west1\n +→ Run "runyard deploy"/);
    expect(stdout).toMatch(/✘ trial +not tried\n/);
    expect(stdout).toMatch(/Nothing can be run on Cloud Run yet: mend what is marked ✘ above\.\n$/);
  });

  test('beside the backend local it is told too, runs nothing there, and decides nothing', async (context) => {
    const before = yard.run.executions().length;
    const home = homeOf(context);
    const env = { ...yard.env, RUNYARD_BACKEND: 'local', RUNYARD_JOB: 'nobodys' };
    const { exitCode, stdout } = await doctor(home, [], env);
    expect(exitCode, stdout).toBe(0);
    const [own, beside] = stdout.split(
      /\nGoogle Cloud, project demo-project, europe-west1 \(RUNYARD_BACKEND=cloud-run .*:\n/,
    );
    expect(own).toMatch(/✔ trial +print\(42\) ran in bubblewrap/);
    expect(own).not.toContain('job small');
    expect(beside).toMatch(/✘ job small +there is no job nobodys-small/);
    expect(beside).toMatch(/Code can be run here, inside a sandbox\.\n$/);
    const { stdout: json } = await doctor(home, ['--json'], env);
    expect(Object.keys(findingsOf(json))).toEqual(expect.arrayContaining(['trial', 'job small', 'KMS key', 'key']));
    expect(yard.run.executions()).toHaveLength(before);
  });
});

// What waits for somebody who does not answer, and for launches that are tried again: all at once.
describe.concurrent('where nothing comes back', () => {
  test('a trial that cannot start says what Cloud Run said', async () => {
    for (let launch = 0; launch < 3; launch++) yard.run.plan({ failsToStart: 'CONTAINER_MISSING' });
    const { ok, trial } = await trialOf({ withinMs: 40_000 });
    expect(ok).toBe(false);
    expect(trial).toMatchObject({ state: 'missing', detail: expect.stringMatching(/its image is not there/) });
    expect(left()).toEqual([]);
  });

  // Whatever is asked for goes to a proxy that is not there.
  const offline = {
    RUNYARD_BACKEND: 'cloud-run',
    RUNYARD_PROJECT: project,
    RUNYARD_REGION: 'europe-west1',
    HTTPS_PROXY: 'http://127.0.0.1:1',
  };

  const user = { type: 'authorized_user', client_id: 'c', client_secret: 'placeholder', refresh_token: 'placeholder' };

  test.for<[string, { readonly type?: string }, RegExp]>([
    ['without credentials', {}, /✘ Google login +none: .*\n +→ Run "gcloud auth application-default login"/],
    [
      'with credentials of a user',
      user,
      /✘ Google login +there are credentials, but nobody answered .*\n +→ Check the network/,
    ],
    [
      'with a key that is none',
      { type: 'placeholder' },
      /✘ Google login +there are credentials, but they cannot be used\n/,
    ],
  ])('no network at all, %s: sentences', async ([, credentials, login], context) => {
    const home = homeOf(context);
    const file = join(home, 'credentials.json');
    if ('type' in credentials) writeFileSync(file, JSON.stringify(credentials));
    const env = { ...offline, GOOGLE_APPLICATION_CREDENTIALS: 'type' in credentials ? file : '' };
    const { exitCode, stdout } = await doctor(home, [], env);
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(login);
    expect(stdout).toMatch(/✘ clock +sts\.googleapis\.com does not answer\.\n +→ Check the network/);
    expect(stdout).toMatch(/✘ trial +not tried/);
  });

  test('somebody who never answers is not waited for, not even at the end', async (context) => {
    const home = homeOf(context);
    const open = new Set<Socket>();
    const silent = createServer((socket) => void open.add(socket)).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    context.onTestFinished(() => {
      for (const socket of open) socket.destroy();
      silent.close();
    });
    const host = `127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const busy = contention();
    const startedAt = performance.now();
    const file = join(home, 'credentials.json');
    writeFileSync(file, JSON.stringify(user));
    const env = { ...offline, HTTPS_PROXY: `http://${host}`, GOOGLE_APPLICATION_CREDENTIALS: file };
    const { exitCode, stdout } = await doctor(home, [], env);
    expect(performance.now() - startedAt).toBeLessThan(10_000 + 10_000 * Math.max(busy, contention()));
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/✘ Google login +no answer within 10 s\n/);
  });
});
