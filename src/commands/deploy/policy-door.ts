import { z } from 'zod';
import type { Call, GoogleRest } from './google-rest.ts';
import type { Resource } from './grants.ts';
import { type Policy, policySchema } from './policy.ts';

/** Reads and writes the access policy of one resource, whatever API it belongs to. */
export interface PolicyDoor {
  /** Undefined where the resource is not there. */
  read(): Promise<Policy | undefined>;
  write(policy: Policy): Promise<void>;
}

/** A policy with conditions is only shown to who says that it understands them. */
const withConditions = '3';

export function policyDoor({ kind, name }: Resource, rest: GoogleRest): PolicyDoor {
  const { read, write } = calls[kind](name);
  return {
    read: () => rest.find(read, policySchema),
    async write(policy) {
      await rest.send(write(policy), z.unknown());
    },
  };
}

interface PolicyCalls {
  readonly read: Call;
  readonly write: (policy: Policy) => Call;
}

const calls: Readonly<Record<Resource['kind'], (name: string) => PolicyCalls>> = {
  bucket: (name) => {
    const path = `/storage/v1/b/${name}/iam`;
    return {
      read: { api: 'storage', path, query: { optionsRequestedPolicyVersion: withConditions } },
      write: (policy) => ({ api: 'storage', method: 'PUT', path, body: policy }),
    };
  },
  key: (name) => common('kms', `/v1/${name}`),
  secret: (name) => common('secretManager', `/v1/${name}`),
  repository: (name) => common('artifactRegistry', `/v1/${name}`),
  job: (name) => common('run', `/v2/${name}`),
  project: (name) => ({
    read: {
      api: 'resourceManager',
      method: 'POST',
      path: `/v3/${name}:getIamPolicy`,
      body: { options: { requestedPolicyVersion: Number(withConditions) } },
    },
    write: (policy) => ({ api: 'resourceManager', method: 'POST', path: `/v3/${name}:setIamPolicy`, body: { policy } }),
  }),
};

function common(api: Call['api'], path: string): PolicyCalls {
  return {
    read: { api, path: `${path}:getIamPolicy`, query: { 'options.requestedPolicyVersion': withConditions } },
    write: (policy) => ({ api, method: 'POST', path: `${path}:setIamPolicy`, body: { policy } }),
  };
}
