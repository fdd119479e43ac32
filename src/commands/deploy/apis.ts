import { z } from 'zod';
import { type GoogleRest, googleApis } from './google-rest.ts';
import type { Installation } from './installation.ts';
import { finished, operation } from './operations.ts';
import { gcloud } from './shell.ts';
import type { Step } from './step.ts';

/** What must be enabled in the project, and what for. */
const needed: Readonly<Record<string, string>> = {
  [googleApis.run.host]: 'runs tasks',
  [googleApis.storage.host]: 'keeps tasks',
  [googleApis.kms.host]: 'seals what is private in them',
  [googleApis.secretManager.host]: 'keeps the secrets that tasks may use',
  [googleApis.iam.host]: 'the accounts of server, runner and build',
  'iamcredentials.googleapis.com': 'tokens for those accounts',
  'sts.googleapis.com': 'a token for one task, and nothing else, for each runner',
  [googleApis.artifactRegistry.host]: 'keeps the image',
  [googleApis.cloudBuild.host]: 'builds the image',
  [googleApis.resourceManager.host]: 'reads and writes the roles on the project',
};
const services = Object.keys(needed);

const states = z.object({
  services: z.array(z.looseObject({ name: z.string(), state: z.string().optional() })).default([]),
});

const enableWithinMs = 10 * 60_000;

/** Those that must be enabled and are not. */
export async function disabledApis({ place: { project } }: Installation, rest: GoogleRest): Promise<string[]> {
  const names = services.map((service) => `projects/${project}/services/${service}`);
  const found = await rest.send(
    { api: 'serviceUsage', path: `/v1/projects/${project}/services:batchGet`, query: { names } },
    states,
  );
  const enabled = new Set(
    found.services.filter(({ state }) => state === 'ENABLED').map(({ name }) => name.split('/').at(-1)),
  );
  return services.filter((service) => !enabled.has(service));
}

export function apisStep(installation: Installation, rest: GoogleRest): Step {
  const { project } = installation.place;
  const disabled = () => disabledApis(installation, rest);
  return {
    title: 'Google APIs',
    makes: Object.entries(needed).map(([service, why]) => `${service}: ${why}`),
    gcloud: [gcloud('services', 'enable', ...services, `--project=${project}`)],
    async look() {
      const missing = await disabled();
      if (missing.length === 0) return { state: 'there' };
      if (missing.length === services.length) return { state: 'missing' };
      return { state: 'differs', how: `not enabled: ${missing.join(', ')}` };
    },
    async make() {
      const serviceIds = await disabled();
      if (serviceIds.length === 0) return undefined;
      const started = await rest.send(
        {
          api: 'serviceUsage',
          method: 'POST',
          path: `/v1/projects/${project}/services:batchEnable`,
          body: { serviceIds },
        },
        operation,
      );
      await finished(rest, started, {
        api: 'serviceUsage',
        version: 'v1',
        withinMs: enableWithinMs,
        what: 'enabling the APIs',
        project,
      });
      return undefined;
    },
    end: {
      goes: false,
      why: 'something else in the project may use them; they cost nothing by themselves',
      gcloud: [gcloud('services', 'disable', ...services, `--project=${project}`)],
    },
  };
}
