import type { protos } from '@google-cloud/secret-manager';
import { crc32c } from '../../../src/lib/crc32c.ts';
import { alreadyExists, failedPrecondition, invalidArgument } from './failure.ts';
import type { RpcMethod } from './rpc.ts';
import { type FakeSecrets, type FakeSecretVersion, numbered } from './secrets-held.ts';

type V1 = typeof protos.google.cloud.secretmanager.v1;
/** A request, checked against the protos. */
type Asked<Name extends Extract<keyof V1, `${string}Request`>> = NonNullable<ConstructorParameters<V1[Name]>[0]>;
type Secret = protos.google.cloud.secretmanager.v1.ISecret;
type Version = protos.google.cloud.secretmanager.v1.ISecretVersion;

export function secretMethods(held: FakeSecrets) {
  const CreateSecret: RpcMethod<Asked<'CreateSecretRequest'>, Secret> = {
    needs: ({ parent }) => need('secrets.create', parent),
    handle({ parent, secretId, secret }) {
      if (!/^[A-Za-z0-9_-]{1,255}$/.test(secretId ?? '')) throw invalidArgument('secret_id is invalid.');
      if (secret?.replication == null) throw invalidArgument('Secret.replication is required.');
      const name = `${parent}/secrets/${secretId}`;
      if (held.secrets.has(name)) throw alreadyExists(`Secret [${numbered(name)}] already exists.`);
      return held.add(name, secret).fields;
    },
  };
  const GetSecret: RpcMethod<Asked<'GetSecretRequest'>, Secret> = {
    needs: ({ name }) => need('secrets.get', name),
    handle: ({ name }) => held.secretAt(name ?? '').fields,
  };
  const ListSecrets: RpcMethod<
    Asked<'ListSecretsRequest'>,
    protos.google.cloud.secretmanager.v1.IListSecretsResponse
  > = {
    needs: ({ parent }) => need('secrets.list', parent),
    handle({ parent }) {
      const mine = [...held.secrets].filter(([name]) => name.startsWith(`${parent}/secrets/`));
      return { secrets: mine.map(([, { fields }]) => fields), totalSize: mine.length };
    },
  };
  const DeleteSecret: RpcMethod<Asked<'DeleteSecretRequest'>, protos.google.protobuf.IEmpty> = {
    needs: ({ name }) => need('secrets.delete', name),
    handle({ name }) {
      held.secretAt(name ?? '');
      held.secrets.delete(name ?? '');
      return {};
    },
  };
  return { CreateSecret, GetSecret, ListSecrets, DeleteSecret };
}

export function versionMethods(held: FakeSecrets) {
  const AddSecretVersion: RpcMethod<Asked<'AddSecretVersionRequest'>, Version> = {
    needs: ({ parent }) => need('versions.add', parent),
    handle({ parent, payload }) {
      const data = Buffer.from((payload?.data as Uint8Array | undefined) ?? []);
      if (data.length === 0) throw invalidArgument('Secret Payload cannot be empty.');
      if (data.length > 64 * 1024) throw invalidArgument('Secret Payload is larger than 65536 bytes.');
      if (payload?.dataCrc32c != null && String(payload.dataCrc32c) !== String(crc32c(data)))
        throw invalidArgument('The provided data_crc32c does not match the payload.');
      return versionOf(held.addVersion(parent ?? '', data));
    },
  };
  const GetSecretVersion: RpcMethod<Asked<'GetSecretVersionRequest'>, Version> = {
    needs: ({ name }) => need('versions.get', name),
    handle: ({ name }) => versionOf(held.versionAt(name ?? '')),
  };
  const ListSecretVersions: RpcMethod<
    Asked<'ListSecretVersionsRequest'>,
    protos.google.cloud.secretmanager.v1.IListSecretVersionsResponse
  > = {
    needs: ({ parent }) => need('versions.list', parent),
    handle({ parent }) {
      const { versions } = held.secretAt(parent ?? '');
      return { versions: versions.map(versionOf).reverse(), totalSize: versions.length };
    },
  };
  const AccessSecretVersion: RpcMethod<
    Asked<'AccessSecretVersionRequest'>,
    protos.google.cloud.secretmanager.v1.IAccessSecretVersionResponse
  > = {
    needs: ({ name }) => need('versions.access', name),
    handle({ name }) {
      const version = held.versionAt(name ?? '');
      if (version.state !== 'ENABLED')
        throw failedPrecondition(`Secret Version [${version.name}] is in ${version.state} state.`);
      return { name: version.name, payload: { data: version.data, dataCrc32c: crc32c(version.data) } };
    },
  };
  const becomes = (act: string, state: FakeSecretVersion['state']): RpcMethod<{ name?: string | null }, Version> => ({
    needs: ({ name }) => need(`versions.${act}`, name),
    handle({ name }) {
      const version = held.versionAt(name ?? '');
      if (version.state === 'DESTROYED')
        throw failedPrecondition(`Secret Version [${version.name}] is in DESTROYED state.`);
      version.state = state;
      return versionOf(version);
    },
  });
  return {
    AddSecretVersion,
    GetSecretVersion,
    ListSecretVersions,
    AccessSecretVersion,
    EnableSecretVersion: becomes('enable', 'ENABLED'),
    DisableSecretVersion: becomes('disable', 'DISABLED'),
    DestroySecretVersion: becomes('destroy', 'DESTROYED'),
  };
}

// --- Internal helpers ---

function need(act: string, resource: string | null | undefined) {
  return { permission: `secretmanager.${act}`, resource: resource ?? '' };
}

function versionOf({ name, state, createTime }: FakeSecretVersion): Version {
  return { name, state, createTime };
}
