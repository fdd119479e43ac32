import { z } from 'zod';
import type { GoogleRest } from './google-rest.ts';
import { type Installation, names } from './installation.ts';
import { finished, operation } from './operations.ts';
import { gcloud } from './shell.ts';
import type { Step } from './step.ts';

const waiting = { api: 'artifactRegistry', version: 'v1', withinMs: 5 * 60_000 } as const;

/** Where the images of this installation are kept. */
export function repositoryStep({ place }: Installation, rest: GoogleRest): Step {
  const { project, region } = place;
  const full = names.repository(place);
  const id = full.slice(full.lastIndexOf('/') + 1);
  const self = `/v1/${full}`;
  const parent = self.slice(0, self.lastIndexOf('/'));
  const find = () => rest.find({ api: 'artifactRegistry', path: self }, z.looseObject({}));
  const where = [`--location=${region}`, `--project=${project}`];
  return {
    title: `Artifact Registry repository ${id}`,
    makes: [`in ${region}; keeps the images of this installation`],
    gcloud: [gcloud('artifacts', 'repositories', 'create', id, '--repository-format=docker', ...where)],
    async look() {
      return { state: (await find()) === undefined ? 'missing' : 'there' };
    },
    async make() {
      const body = { format: 'DOCKER', description: 'Images of Runyard' };
      const started = operation.safeParse(
        await rest.create({ api: 'artifactRegistry', method: 'POST', path: parent, query: { repositoryId: id }, body }),
      );
      if (started.success)
        await finished(rest, started.data, { ...waiting, what: `making the repository ${id}`, project });
      return undefined;
    },
    end: {
      goes: true,
      async remove() {
        const started = await rest.find({ api: 'artifactRegistry', method: 'DELETE', path: self }, operation);
        if (started === undefined) return false;
        await finished(rest, started, { ...waiting, what: `deleting the repository ${id}`, project });
        return true;
      },
    },
  };
}
