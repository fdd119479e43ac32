import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { taskRunnerEnvironment } from '../../src/runner/environment.ts';
import { type CloudYard, openCloudYard } from './cloud-yard.ts';
import { deployed } from './deployed.ts';
import { type LauncherContainer, lackingForLauncher, makeLauncherContainer } from './launcher-container.ts';
import { filesHolding } from './served.ts';

/** What untrusted code on Cloud Run can reach, and what is left of it, with each wall that there is. */

const walls = [
  {
    technology: 'bubblewrap',
    lacking: undefined,
    ofRun: /^\/work\/runyard-(uid-\d+|\d+-slot-\d+)\/(workspace|given)\//,
  },
  {
    technology: 'cloud-run-launcher',
    lacking: lackingForLauncher,
    // The root of the container is what is inside.
    ofRun: /^\/work\/launcher-[\d-]+\/runyard-[0-9a-f]+\/workspace\//,
  },
] as const;

describe.each(walls)('in the wall $technology', ({ technology, lacking, ofRun }) => {
  const state: { yard?: CloudYard; container?: LauncherContainer; listener?: Server } = {};
  const yard = () => state.yard!;
  const visitors: string[] = [];
  beforeAll(async () => {
    if (lacking !== undefined) return;
    // Where the metadata server stands for whoever is outside of the wall.
    const listener = createServer((visitor) => {
      visitors.push('somebody');
      visitor.end('HTTP/1.1 200 OK\r\nMetadata-Flavor: Google\r\nContent-Length: 0\r\n\r\n');
    });
    state.listener = listener;
    await once(listener.listen(0, '127.0.0.1'), 'listening');
    const container = makeLauncherContainer();
    state.container = container;
    const jobEnv = { ...container.env, GCE_METADATA_HOST: `127.0.0.1:${portOf(listener)}` };
    const run = technology === 'bubblewrap' ? {} : { program: container.program };
    state.yard = await openCloudYard({ jobEnv, run });
  });
  afterAll(async () => {
    await state.yard?.close();
    state.listener?.close();
    state.container?.remove();
  });

  test.skipIf(lacking !== undefined)(
    `C2: there is no route, no interface but its own, and no metadata server (needs ${lacking ?? 'nothing'})`,
    async () => {
      const port = portOf(state.listener!);
      expect((await fetch(`http://127.0.0.1:${port}`)).headers.get('metadata-flavor')).toBe('Google');
      visitors.length = 0;
      const code = [
        'import errno, os, socket',
        `for place in [("169.254.169.254", 80), ("127.0.0.1", ${port})]:`,
        '    visitor = socket.socket()',
        '    visitor.settimeout(5)',
        '    print(errno.errorcode.get(visitor.connect_ex(place)))',
        'try: socket.getaddrinfo("metadata.google.internal", 80); print("has an address")',
        'except OSError: print("no address")',
        'print(open("/proc/net/route").read().count("\\n"), sorted(name for _, name in socket.if_nameindex()))',
        'print([name for name in os.environ if "GCE" in name or "RUNYARD_TASK" in name])',
      ].join('\n');
      const answer = await yard().served.call('execute_code', { language: 'python', code });
      expect(answer).toMatchObject({ status: 'succeeded', sandbox: { technology, network: 'none' } });
      // The one line of the table of routes is its head.
      expect(answer.stdout).toBe("ENETUNREACH\nECONNREFUSED\nno address\n1 ['lo']\n[]\n");
      expect(visitors).toEqual([]);
    },
  );

  test.skipIf(lacking !== undefined)(
    `C4: while a task runs nothing of it is on a disk but in the place of its run (needs ${lacking ?? 'nothing'})`,
    async () => {
      const marker = randomBytes(16).toString('hex');
      const { folder, launcherFolder } = state.container!;
      const task = await yard().start(`echo up; sleep 60 # ${marker}`, {
        files: [{ path: 'given/file', content: marker }],
        env: { SECRET: marker },
        stdin: marker,
        args: [marker],
      });
      const logs = () => yard().served.call('get_task_logs', { task_id: task, cursor: 'start', wait_seconds: 5 });
      await expect.poll(async () => JSON.stringify((await logs()).lines), { timeout: 30_000 }).toContain('up');
      const sweep = () => [folder, launcherFolder, yard().home].flatMap((each) => filesHolding(each, marker));
      const found = sweep().map((path) => path.replace(folder, ''));
      expect(found.filter((path) => !ofRun.test(path))).toEqual([]);
      expect(found).toContainEqual(expect.stringMatching(/\/workspace\/given\/file$/));
      expect([...yard().objects()].filter(([, { bytes }]) => bytes.includes(marker))).toEqual([]);
      expect(yard().google.run.logOf(yard().executionsOf(task)[0]!, 0)).not.toContain(marker);
      await yard().served.call('cancel_task', { task_id: task });
      await expect.poll(() => yard().executionsOf(task)[0]!.completedMs, { timeout: 20_000 }).toBeGreaterThan(0);
      await expect.poll(sweep, { timeout: 10_000 }).toEqual([]);
    },
  );

  if (technology !== 'bubblewrap') return;

  test('C2: where no wall can be built nothing is run, and the refusal says which were tried', async () => {
    const name = 'projects/a-project/locations/europe-west1/jobs/runyard-large';
    const job = yard().google.run.jobOf(name)!;
    job.template!.template!.containers![0]!.env!.push({ name: 'RUNYARD_WORK', value: '/proc/nowhere/work' });
    const call = yard().served.refusal('execute_code', { language: 'bash', code: 'echo ran', size: 'large' });
    expect(await call).toMatch(/sandbox_unavailable: .*launcher is not at .*\/proc\/nowhere.*Nothing was run/s);
  });
});

test('C2: a runner knows no wall that is only another user, whatever its Job says', () => {
  const environment = {
    ...{ RUNYARD_TASK: 'task_01890a5d-ac96-774b-bcce-b302099a8057', RUNYARD_TASK_TOKEN: 't', RUNYARD_PROJECT: 'p' },
    ...{ RUNYARD_REGION: 'r', RUNYARD_BUCKET: 'b', RUNYARD_KMS_KEY: 'k', CLOUD_RUN_JOB: 'j' },
    ...{ CLOUD_RUN_EXECUTION: 'e', CLOUD_RUN_TASK_INDEX: '0' },
  };
  expect(taskRunnerEnvironment.safeParse(environment).success).toBe(true);
  for (const wall of ['user', 'uid', 'none', 'off', '']) {
    const { error } = taskRunnerEnvironment.safeParse({ ...environment, RUNYARD_SANDBOX: wall });
    expect(error?.issues.map(({ path }) => path)).toEqual([['RUNYARD_SANDBOX']]);
  }
});

test('C3: the bucket is made without soft delete and versions, so that what was deleted is gone', async () => {
  const { bucket } = await deployed();
  expect(bucket).toMatchObject({
    softDeletePolicy: { retentionDurationSeconds: '0' },
    versioning: { enabled: false },
    iamConfiguration: { uniformBucketLevelAccess: { enabled: true }, publicAccessPrevention: 'enforced' },
  });
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8').replace(/\s+/g, ' ');
  expect(readme).toContain('What was deleted is gone: soft delete and versions are off.');
});

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the listener has no port');
  return address.port;
}
