import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { GoogleRest } from './google-rest.ts';
import { type Installation, names, serviceSecrets } from './installation.ts';
import { gcloud } from './shell.ts';
import type { Step } from './step.ts';

const anything = z.looseObject({});

/** A value is asked for and typed, or comes out of a file: it never stands on a command line. */
export function addVersionLine(project: string, secret: string): string {
  return gcloud('secrets', 'versions', 'add', secret, '--data-file=-', `--project=${project}`);
}

/** Whether the secret has a value that can be used. */
export async function hasValue({ place }: Installation, rest: GoogleRest, secret: string): Promise<boolean> {
  const path = `/v1/${names.secret(place, secret)}/versions/latest`;
  const latest = await rest.find({ api: 'secretManager', path }, z.looseObject({ state: z.string().optional() }));
  return latest !== undefined && latest.state !== 'DISABLED' && latest.state !== 'DESTROYED';
}

/** An empty secret: what is in it comes from the operator. */
export function secretStep(installation: Installation, rest: GoogleRest, secret: string): Step {
  const { project } = installation.place;
  const self = `/v1/${names.secret(installation.place, secret)}`;
  const find = () => rest.find({ api: 'secretManager', path: self }, anything);
  const generated = secret === serviceSecrets.apiKeys;
  const needsValue = `it has no value yet: ${addVersionLine(project, secret)}`;
  return {
    title: `Secret ${secret}`,
    makes: [
      generated ? apiKeysPurpose : 'made empty, if it is not there; its value comes from you, through standard input',
    ],
    gcloud: [
      gcloud('secrets', 'create', secret, '--replication-policy=automatic', `--project=${project}`),
      generated ? generatingLine(project) : addVersionLine(project, secret),
    ],
    async look() {
      if ((await find()) === undefined) return { state: 'missing' };
      if (await hasValue(installation, rest, secret)) return { state: 'there' };
      return generated ? { state: 'differs', how: 'it has no value yet' } : { state: 'there', note: needsValue };
    },
    async make() {
      const path = `/v1/projects/${project}/secrets`;
      const body = { replication: { automatic: {} } };
      await rest.create({ api: 'secretManager', method: 'POST', path, query: { secretId: secret }, body });
      if (!generated) return needsValue;
      if (!(await hasValue(installation, rest, secret))) await addApiKey(rest, self);
      return `read the key of owner "operator": ${gcloud('secrets', 'versions', 'access', 'latest', `--secret=${secret}`, `--project=${project}`)}`;
    },
    end: {
      goes: false,
      why: 'it may hold a value that is nowhere else',
      gcloud: [gcloud('secrets', 'delete', secret, `--project=${project}`)],
    },
  };
}

const apiKeysPurpose =
  'the keys of those who may call the service, as id:key pairs; begins with one made at random for the owner "operator"';

function generatingLine(project: string): string {
  const version = addVersionLine(project, serviceSecrets.apiKeys);
  return `printf 'operator:%s' "$(openssl rand -hex 24)" | ${version}`;
}

async function addApiKey(rest: GoogleRest, self: string): Promise<void> {
  const value = `operator:${randomBytes(24).toString('hex')}`;
  const body = { payload: { data: Buffer.from(value).toString('base64') } };
  await rest.send({ api: 'secretManager', method: 'POST', path: `${self}:addVersion`, body }, anything);
}
