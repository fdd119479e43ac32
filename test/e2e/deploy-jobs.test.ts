import { afterEach, expect, test } from 'vitest';
import { createGoogleRest } from '../../src/commands/deploy/google-rest.ts';
import { allSizes, names } from '../../src/commands/deploy/installation.ts';
import { jobStep } from '../../src/commands/deploy/jobs.ts';
import { rolesSteps } from '../../src/commands/deploy/roles.ts';
import { type CloudRunServer, startCloudRun } from '../fakes/google/cloud-run.ts';
import { installation } from '../unit/commands/deploy-installation.ts';

const held: { server?: CloudRunServer } = {};
afterEach(() => held.server?.close());

const image = {
  pinned: `europe-west1-docker.pkg.dev/demo-project/runyard/runyard@sha256:${'ab'.repeat(32)}`,
};

test('the Cloud Run that knows the protos of Google takes the jobs, and changes nothing the second time', async () => {
  const server = await startCloudRun();
  held.server = server;
  const rest = createGoogleRest({
    project: installation.place.project,
    endpointOf: () => server.url,
    patience: { retryMs: 1000, settleMs: 1000, pollMs: 2 },
    signal: new AbortController().signal,
  });
  for (const size of allSizes) {
    const job = names.job(installation.place, size);
    const steps = [
      jobStep(installation, rest, size, image),
      ...rolesSteps(installation, rest, { kind: 'job', name: job }),
    ];
    expect(steps).toHaveLength(2);
    for (const step of steps) {
      expect(await step.look()).toEqual({ state: 'missing' });
      await step.make();
      expect(await step.look(), step.title).toEqual({ state: 'there' });
    }
    expect(server.jobOf(job)).toMatchObject({
      template: {
        template: { containers: [{ image: image.pinned }], serviceAccount: expect.stringMatching(/^runyard-runner@/) },
      },
    });
    expect(server.policyOf(job)?.bindings?.map(({ role }) => role)).toEqual([
      'roles/run.jobsExecutorWithOverrides',
      'roles/run.viewer',
    ]);
  }
  const small = jobStep(installation, rest, 'small', image);
  const changed = { pinned: image.pinned.replace('ab', 'cd') };
  expect(await jobStep(installation, rest, 'small', changed).look()).toEqual({
    state: 'differs',
    how: 'template.template.containers[0].image',
  });
  expect(small.end.goes && (await small.end.remove())).toBe(true);
  expect(small.end.goes && (await small.end.remove())).toBe(false);
  expect(server.jobOf(names.job(installation.place, 'small'))).toBeUndefined();
});
