import type { protos } from '@google-cloud/kms';
import { createIamPolicies, type IamPolicies } from './iam-policies.ts';
import { cryptoMethods } from './kms-crypto.ts';
import { addVersion, createKeyRings, type VersionState } from './kms-keys.ts';
import { manageMethods } from './kms-manage.ts';
import { createRpcRouter } from './rpc.ts';
import { type GoogleFakeOptions, type GoogleServer, noSuchAddress, startGoogleServer } from './server.ts';

/** Cloud KMS with keys of its own: AES-256-GCM under versions that can be disabled or destroyed, every checksum checked. */
export interface KmsServer extends GoogleServer {
  readonly policyOf: IamPolicies['policyOf'];
  /** As it stands now; undefined where there is none. */
  keyOf(name: string): protos.google.cloud.kms.v1.ICryptoKey | undefined;
  /** Makes the key, and its ring, where they are not there. */
  addKey(name: string): void;
  /** A new version becomes the one that encrypts. */
  rotate(key: string): void;
  /** `version` counts from 1. */
  setState(key: string, version: number, state: VersionState): void;
}

export async function startKms(options: GoogleFakeOptions = {}): Promise<KmsServer> {
  const store = createKeyRings();
  const policies = createIamPolicies({
    kindOf: (resource) => (resource.includes('/cryptoKeys/') ? 'cloudkms.cryptoKeys' : 'cloudkms.keyRings'),
    exists: store.exists,
    authorize: options.authorize,
    resources: [ringTemplate, `${ringTemplate}/cryptoKeys/*`],
  });
  const domain = 'cloudkms.googleapis.com';
  const routers = [
    createRpcRouter(
      {
        client: '@google-cloud/kms',
        name: 'google.cloud.kms.v1.KeyManagementService',
        domain,
        methods: { ...manageMethods(store), ...cryptoMethods(store) },
      },
      options.authorize,
    ),
    // The protos of this client leave them out; those of the other one have the same messages.
    createRpcRouter(
      { client: '@google-cloud/secret-manager', name: 'google.iam.v1.IAMPolicy', domain, methods: policies.methods },
      options.authorize,
    ),
  ];
  const server = await startGoogleServer(
    (request) => routers.map((route) => route(request)).find((answer) => answer !== undefined) ?? noSuchAddress,
    options,
  );
  return {
    ...server,
    policyOf: policies.policyOf,
    keyOf: (name) => store.keys.get(name)?.fields,
    addKey: store.addKey,
    rotate(name) {
      const key = store.keyAt(name);
      addVersion(key);
      key.primary = key.versions.length;
    },
    setState(name, version, state) {
      store.keyAt(name).versions[version - 1]!.state = state;
    },
  };
}

const ringTemplate = 'projects/*/locations/*/keyRings/*';
