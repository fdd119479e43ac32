import type { protos } from '@google-cloud/secret-manager';
import { notFound } from './failure.ts';
import { now, type Timestamp } from './proto-json.ts';

export type SecretState = 'ENABLED' | 'DISABLED' | 'DESTROYED';

export interface FakeSecret {
  fields: protos.google.cloud.secretmanager.v1.ISecret;
  /** Version n stands at n - 1. */
  readonly versions: FakeSecretVersion[];
}

export interface FakeSecretVersion {
  readonly name: string;
  readonly data: Buffer;
  readonly createTime: Timestamp;
  state: SecretState;
}

/** Everything that the service holds, under `projects/P/secrets/S` with the id of the project. */
export interface FakeSecrets {
  readonly secrets: Map<string, FakeSecret>;
  add(name: string, fields: FakeSecret['fields']): FakeSecret;
  addVersion(name: string, data: Buffer): FakeSecretVersion;
  /** Throws what Google says of a secret that is not there. */
  secretAt(name: string): FakeSecret;
  /** `name` ends in `/versions/N` or `/versions/latest`, which is the newest one whatever its state. */
  versionAt(name: string): FakeSecretVersion;
}

export function createFakeSecrets(): FakeSecrets {
  const secrets: FakeSecrets['secrets'] = new Map();
  const secretAt = (name: string) => {
    const secret = secrets.get(name);
    if (secret === undefined) throw notFound(`Secret [${numbered(name)}] not found.`);
    return secret;
  };
  return {
    secrets,
    secretAt,
    add(name, fields) {
      const secret: FakeSecret = { fields: { ...fields, name: numbered(name), createTime: now() }, versions: [] };
      secrets.set(name, secret);
      return secret;
    },
    addVersion(name, data) {
      const { versions } = secretAt(name);
      const version: FakeSecretVersion = {
        name: `${numbered(name)}/versions/${versions.length + 1}`,
        data,
        createTime: now(),
        state: 'ENABLED',
      };
      versions.push(version);
      return version;
    },
    versionAt(name) {
      const [secretName = '', alias = ''] = name.split('/versions/');
      const { versions } = secretAt(secretName);
      if (versions.length === 0) throw notFound(`Secret [${numbered(secretName)}] not found or has no versions.`);
      const version = alias === 'latest' ? versions.at(-1) : versions[Number(alias) - 1];
      if (version === undefined) throw notFound(`Secret Version [${numbered(name)}] not found.`);
      return version;
    },
  };
}

/** Google answers with the number of the project, whatever it was asked by. */
export function numbered(name: string): string {
  return name.replace(/^projects\/[^/]+/, 'projects/123456789012');
}
