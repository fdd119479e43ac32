import type { protos } from '@google-cloud/secret-manager';
import { GoogleFailure, invalidArgument, notFound } from './failure.ts';
import type { HttpRule, RpcMethod } from './rpc.ts';
import type { Authorize } from './server.ts';

type IPolicy = protos.google.iam.v1.IPolicy;
type GetRequest = protos.google.iam.v1.IGetIamPolicyRequest;
type SetRequest = protos.google.iam.v1.ISetIamPolicyRequest;
type TestRequest = protos.google.iam.v1.ITestIamPermissionsRequest;
type TestResponse = protos.google.iam.v1.ITestIamPermissionsResponse;

/** Who may do what with each resource, as somebody wrote it. */
export interface IamPolicies {
  /** Undefined where nothing was ever written. */
  policyOf(resource: string): IPolicy | undefined;
  readonly methods: {
    readonly GetIamPolicy: RpcMethod<GetRequest, IPolicy>;
    readonly SetIamPolicy: RpcMethod<SetRequest, IPolicy>;
    readonly TestIamPermissions: RpcMethod<TestRequest, TestResponse>;
  };
}

export interface IamPoliciesOptions {
  /** What stands before `.getIamPolicy`, such as `cloudkms.cryptoKeys`. */
  readonly kindOf: (resource: string) => string;
  readonly exists: (resource: string) => boolean;
  readonly authorize?: Authorize | undefined;
  /** Templates of the resources, where the protos of the service do not say them. */
  readonly resources?: readonly string[];
}

/** The three methods of every resource that has a policy: read, write with an etag, ask what one may oneself. */
export function createIamPolicies({ kindOf, exists, authorize, resources }: IamPoliciesOptions): IamPolicies {
  const policies = new Map<string, IPolicy>();
  const count = { writes: 0 };
  const needs =
    (act: string) =>
    ({ resource }: GetRequest) => ({
      permission: `${kindOf(resource ?? '')}.${act}`,
      resource: resource ?? '',
    });
  const at = (method: HttpRule['method'], verb: string) =>
    resources === undefined ? {} : { http: resources.map((resource) => ruleOf(method, resource, verb)) };
  const current = (resource: string) => {
    if (!exists(resource)) throw notFound(`${resource} not found.`);
    return policies.get(resource) ?? { etag: neverWritten };
  };

  return {
    policyOf: (resource) => policies.get(resource),
    methods: {
      GetIamPolicy: {
        needs: needs('getIamPolicy'),
        ...at('get', 'getIamPolicy'),
        handle: ({ resource, options }) => asVersion(current(resource!), options?.requestedPolicyVersion ?? 1),
      },
      SetIamPolicy: {
        needs: needs('setIamPolicy'),
        ...at('post', 'setIamPolicy'),
        handle({ resource, policy }) {
          if (policy == null) throw invalidArgument('The policy is missing.');
          refuseStale(policy, current(resource!));
          refuseMalformed(policy);
          const written = { ...policy, version: policy.version ?? 1, etag: etagOf(++count.writes) };
          policies.set(resource!, written);
          return written;
        },
      },
      TestIamPermissions: {
        needs: () => undefined,
        ...at('post', 'testIamPermissions'),
        handle({ resource, permissions }, token) {
          current(resource!);
          const may = (permission: string) => authorize?.({ token, permission, resource: resource! }) ?? true;
          return { permissions: (permissions ?? []).filter(may) };
        },
      },
    },
  };
}

// --- Internal helpers ---

/** That of a policy nobody wrote: `ACAB` in base64. */
const neverWritten = Buffer.from('ACAB', 'base64');

function etagOf(write: number): Buffer {
  return Buffer.from(`write ${write}`);
}

function ruleOf(method: HttpRule['method'], resource: string, verb: string): HttpRule {
  const path = `/v1/{resource=${resource}}:${verb}`;
  return method === 'get' ? { method, path } : { method, path, body: '*' };
}

/** Whoever does not ask for version 3 sees a conditional binding under a name that says so. */
function asVersion(policy: IPolicy, wanted: number): IPolicy {
  if (wanted >= 3 || !isConditional(policy)) return policy;
  const bindings = (policy.bindings ?? []).map(({ condition, ...binding }) =>
    condition == null ? binding : { ...binding, role: `${binding.role}_withcond_0123456789abcdef` },
  );
  return { ...policy, version: 1, bindings };
}

function isConditional({ bindings }: IPolicy): boolean {
  return (bindings ?? []).some(({ condition }) => condition != null);
}

function refuseStale({ etag }: IPolicy, current: IPolicy): void {
  if (etag == null || etag.length === 0) return;
  if (Buffer.from(etag as Uint8Array).equals(Buffer.from(current.etag as Uint8Array))) return;
  throw new GoogleFailure(
    'ABORTED',
    'There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff.',
  );
}

const memberPattern =
  /^(allUsers|allAuthenticatedUsers|(user|group|serviceAccount|domain|principal|principalSet):\S+)$/;
const rolePattern = /^(roles|projects\/[^/]+\/roles)\/[\w.]+$/;

function refuseMalformed(policy: IPolicy): void {
  if (isConditional(policy) && policy.version !== 3)
    throw invalidArgument('A policy with conditional role bindings must have version 3.');
  for (const { role, members } of policy.bindings ?? []) {
    if (!rolePattern.test(role ?? '')) throw invalidArgument(`Role ${role} is not supported for this resource.`);
    const wrong = (members ?? []).find((member) => !memberPattern.test(member));
    if (wrong !== undefined) throw invalidArgument(`Invalid member: ${wrong}.`);
    if (members == null || members.length === 0) throw invalidArgument(`The binding of ${role} has no members.`);
  }
}
