import { z } from 'zod';
import type { GoogleRest } from './google-rest.ts';
import { type Account, type Installation, names } from './installation.ts';
import { gcloud } from './shell.ts';
import type { Step } from './step.ts';

const purposes: Readonly<Record<Account, string>> = {
  server: 'Runyard server: submits tasks and reads their results',
  runner: 'Runyard runner: one task inside a Cloud Run job',
  build: 'Runyard build: builds the image',
};

const found = z.looseObject({ email: z.string(), disabled: z.boolean().optional() });

/** A service account. It is made without any role; `grants.ts` gives each on the one thing that it is for. */
export function accountStep({ place }: Installation, rest: GoogleRest, account: Account): Step {
  const { project } = place;
  const email = names.email(place, account);
  const id = names.accountId(account);
  const path = `/v1/projects/${project}/serviceAccounts`;
  const self = `${path}/${email}`;
  const look = () => rest.find({ api: 'iam', path: self }, found);
  return {
    title: `Service account ${id}`,
    makes: [`${purposes[account]}. No key is made for it.`],
    gcloud: [
      gcloud('iam', 'service-accounts', 'create', id, `--display-name=${purposes[account]}`, `--project=${project}`),
    ],
    async look() {
      const there = await look();
      if (there === undefined) return { state: 'missing' };
      return there.disabled ? { state: 'differs', how: 'it is disabled' } : { state: 'there' };
    },
    async make() {
      const body = { accountId: id, serviceAccount: { displayName: purposes[account] } };
      await rest.create({ api: 'iam', method: 'POST', path, body });
      const made = await rest.settled(
        () => rest.send({ api: 'iam', path: self }, found),
        ({ status }) => status === 404,
      );
      if (made.disabled) await rest.send({ api: 'iam', method: 'POST', path: `${self}:enable`, body: {} }, z.unknown());
      return undefined;
    },
    end: {
      goes: true,
      async remove() {
        if ((await look()) === undefined) return false;
        await rest.find({ api: 'iam', method: 'DELETE', path: self }, z.unknown());
        return true;
      },
    },
  };
}
