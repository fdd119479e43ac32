import type { protos } from '@google-cloud/secret-manager';
import { createIamPolicies, type IamPolicies } from './iam-policies.ts';
import { createRpcRouter } from './rpc.ts';
import { secretMethods, versionMethods } from './secret-methods.ts';
import { createFakeSecrets, type SecretState } from './secrets-held.ts';
import { type GoogleFakeOptions, type GoogleServer, noSuchAddress, startGoogleServer } from './server.ts';

/** Secret Manager: secrets with versions that can be disabled and destroyed, checksums checked and sent along. */
export interface SecretManagerServer extends GoogleServer {
  readonly policyOf: IamPolicies['policyOf'];
  /** `name` is `projects/P/secrets/S`. Undefined where there is none. */
  secretOf(name: string): protos.google.cloud.secretmanager.v1.ISecret | undefined;
  /** Adds a version, to a secret that is made where it is not there. */
  addVersion(name: string, value: string | Uint8Array): void;
  /** `version` counts from 1. */
  setState(name: string, version: number, state: SecretState): void;
}

export async function startSecretManager(options: GoogleFakeOptions = {}): Promise<SecretManagerServer> {
  const held = createFakeSecrets();
  const policies = createIamPolicies({
    kindOf: () => 'secretmanager.secrets',
    exists: (resource) => held.secrets.has(resource),
    authorize: options.authorize,
  });
  const route = createRpcRouter(
    {
      client: '@google-cloud/secret-manager',
      name: 'google.cloud.secretmanager.v1.SecretManagerService',
      domain: 'secretmanager.googleapis.com',
      methods: { ...secretMethods(held), ...versionMethods(held), ...policies.methods },
    },
    options.authorize,
  );
  const server = await startGoogleServer((request) => route(request) ?? noSuchAddress, options);
  return {
    ...server,
    policyOf: policies.policyOf,
    secretOf: (name) => held.secrets.get(name)?.fields,
    addVersion(name, value) {
      if (!held.secrets.has(name)) held.add(name, { replication: { automatic: {} } });
      held.addVersion(name, Buffer.from(value));
    },
    setState(name, version, state) {
      held.versionAt(`${name}/versions/${version}`).state = state;
    },
  };
}
