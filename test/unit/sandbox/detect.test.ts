import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { closeInheritedDescriptors } from '../../../src/lib/descriptors.ts';
import { detectSandbox, probeSandbox, type SandboxOptions } from '../../../src/sandbox/detect.ts';
import { runIn } from '../../contract/sandbox-harness.ts';
import { makeLauncherInstance } from '../../fakes/launcher/instance.ts';

const base = mkdtempSync(join(tmpdir(), 'runyard-detect-'));
const instance = makeLauncherInstance();
const isRoot = process.getuid?.() === 0;

beforeAll(() => {
  closeInheritedDescriptors();
  chmodSync(base, 0o711);
});
afterAll(() => {
  instance.remove();
  rmSync(base, { recursive: true });
});

const work = join(base, 'work');
const nowhere = '/proc/nowhere/work';
const missing = join(base, 'no-launcher');
const options: SandboxOptions = { workDir: work, nodePath: process.execPath, slots: 0 };
const inCloudRun: SandboxOptions = { ...options, inCloudRun: true, launcherPath: instance.path };

async function refusalOf(choice: Parameters<typeof detectSandbox>[0], asked: SandboxOptions): Promise<unknown> {
  const sandbox = detectSandbox(choice, asked);
  const entering = sandbox.enter({ door: false, signal: AbortSignal.timeout(20_000) });
  const refusal = await entering.then(
    () => 'a wall was built',
    (error: unknown) => error,
  );
  await sandbox.close();
  return refusal;
}

test('choosing starts nothing and touches nothing', () => {
  for (const choice of ['auto', 'bubblewrap', 'container', 'cloud-run-launcher'] as const) {
    for (const asked of [options, inCloudRun]) detectSandbox(choice, asked);
  }
  expect([existsSync(work), instance.calls()]).toEqual([false, []]);
});

test('an explicit choice is taken, here and on Cloud Run', () => {
  for (const choice of ['bubblewrap', 'container', 'cloud-run-launcher'] as const) {
    for (const asked of [options, inCloudRun]) expect(detectSandbox(choice, asked).technology).toBe(choice);
  }
});

test('an explicit choice that is not here is refused with what is missing', async () => {
  expect(await refusalOf('cloud-run-launcher', { ...options, launcherPath: missing })).toMatchObject({
    code: 'sandbox_unavailable',
    message: expect.stringContaining(missing),
    hint: expect.stringContaining('runyard deploy'),
  });
  expect(await refusalOf('container', { ...options, env: { PATH: base } })).toMatchObject({
    code: 'sandbox_unavailable',
    message: expect.stringMatching(/podman.*docker/),
  });
});

describe('on Cloud Run', () => {
  test('it is the launcher where there is one', async () => {
    const sandbox = detectSandbox('auto', inCloudRun);
    expect(sandbox.technology).toBe('cloud-run-launcher');
    expect((await runIn(sandbox, { argv: ['echo', 'in it'] })).stdout).toBe('in it\n');
    await sandbox.close();
    expect(instance.calls().length).toBeGreaterThan(0);
  });

  test('it is bubblewrap where there is none', async () => {
    const sandbox = detectSandbox('auto', { ...inCloudRun, launcherPath: missing });
    expect(sandbox.technology).toBe('bubblewrap');
    expect((await runIn(sandbox, { argv: ['echo', 'in it'] })).stdout).toBe('in it\n');
    await sandbox.close();
  });

  test('C2: where neither can be built nothing is run, and the refusal names both with what brings them', async () => {
    expect(await refusalOf('auto', { ...inCloudRun, launcherPath: missing, workDir: nowhere })).toMatchObject({
      code: 'sandbox_unavailable',
      message: expect.stringMatching(new RegExp(`launcher is not at ${missing}.*${nowhere}`)),
      hint: expect.stringMatching(/runyard deploy.* Or: .*RUNYARD_WORK/),
    });
  });

  test('what the caller says ends a call stays its reason', async () => {
    const sandbox = detectSandbox('auto', { ...inCloudRun, launcherPath: missing });
    const reason = new Error('nobody waits');
    await expect(sandbox.enter({ door: false, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    await sandbox.close();
  });
});

/** Which wall a process of its own finds, and why it refuses; `prepare` is done before it starts, by a shell. */
function foundWhere(unshare: readonly string[], prepare: string, path: string): { technology: string; told: string } {
  const script = `
import { detectSandbox } from ${JSON.stringify(new URL('../../../src/sandbox/detect.ts', import.meta.url).href)};
const sandbox = detectSandbox('auto', { workDir: ${JSON.stringify(work)}, nodePath: process.execPath, slots: 0, env: { PATH: ${JSON.stringify(path)} } });
const told = await sandbox.enter({ door: false, signal: AbortSignal.timeout(30_000) }).then(() => 'a wall', (error) => error.message + ' | ' + error.hint);
console.log(JSON.stringify({ technology: sandbox.technology, told }));
process.exit(0);`;
  writeFileSync(join(base, 'find.mts'), script);
  const shell = [
    '/bin/sh',
    '-c',
    `${prepare} && exec "$@"`,
    'sh',
    process.execPath,
    '--no-warnings',
    join(base, 'find.mts'),
  ];
  const { stdout, stderr } = spawnSync('unshare', [...unshare, ...shell], { encoding: 'utf8' });
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout);
}

describe('elsewhere', () => {
  test('it is bubblewrap where it may work', () => {
    expect(detectSandbox('auto', options).technology).toBe('bubblewrap');
  });

  const hidden = 'mount -t tmpfs tmpfs /usr/bin';

  test.skipIf(!isRoot)('without bubblewrap it is the container engine (needs root to hide bwrap)', () => {
    const engines = join(base, 'engines');
    mkdirSync(engines);
    writeFileSync(join(engines, 'docker'), '#!/bin/sh\necho "Cannot connect to the Docker daemon" >&2\nexit 1\n');
    chmodSync(join(engines, 'docker'), 0o755);
    const { technology, told } = foundWhere(['--mount'], hidden, engines);
    expect(technology).toBe('container');
    expect(told).toMatch(/bwrap .*not installed.*docker.* \| .*apt-get install bubblewrap.* Or: /);
  });

  test.skipIf(!isRoot)('without either it is a refusal with both remedies (needs root to hide bwrap)', () => {
    const { technology, told } = foundWhere(['--mount'], hidden, '');
    expect(technology).toBe('none');
    expect(told).toMatch(/bwrap .*not installed.*podman.*docker.* \| .*apt-get install bubblewrap.* Or: .*podman/);
  });

  test('where user namespaces are turned off it is not bubblewrap', () => {
    const off = 'echo 0 > /proc/sys/user/max_user_namespaces';
    const { technology, told } = foundWhere(['--user', '--map-root-user'], off, '');
    expect(technology).toBe('none');
    expect(told).toMatch(/no user namespaces.* \| .*max_user_namespaces/);
  });
});

describe('the doctor', () => {
  const stateOf = async (choice: Parameters<typeof probeSandbox>[0], asked: SandboxOptions) =>
    Object.fromEntries((await probeSandbox(choice, asked)).map(({ subject, state }) => [subject, state]));

  test('looks at the wall that would be taken', async () => {
    expect(await stateOf('auto', inCloudRun)).toMatchObject({ launcher: 'ok', wall: 'ok', limits: 'limited' });
    expect(await stateOf('auto', { ...inCloudRun, launcherPath: missing })).toMatchObject({
      sandbox: 'limited',
      bubblewrap: 'ok',
      wall: 'ok',
    });
    expect(await stateOf('auto', options)).toMatchObject({ bubblewrap: 'ok', wall: 'ok' });
  });

  test('tells of a wall of the launcher what it looks like from inside, and leaves nothing', async () => {
    const findings = await probeSandbox('cloud-run-launcher', inCloudRun);
    expect(findings.find(({ subject }) => subject === 'wall')?.detail).toMatch(
      /built in \d+ ms: user 0 of its own kernel, no capability, interfaces lo, no metadata server/,
    );
    expect([instance.names(), readdirSync(work).filter((name) => name.startsWith('launcher-'))]).toEqual([[], []]);
  });

  test('names what is missing with the command that brings it', async () => {
    expect(await probeSandbox('cloud-run-launcher', { ...options, launcherPath: missing })).toMatchObject([
      { state: 'missing', detail: expect.stringContaining(missing), remedy: expect.stringContaining('runyard deploy') },
    ]);
    const [first] = await probeSandbox('auto', { ...inCloudRun, launcherPath: missing });
    expect(first).toMatchObject({ subject: 'sandbox', detail: expect.stringContaining('bubblewrap') });
  });
});
