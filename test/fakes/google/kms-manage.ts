import type { protos } from '@google-cloud/kms';
import { alreadyExists, failedPrecondition, invalidArgument, notFound } from './failure.ts';
import { addVersion, type FakeKey, type FakeKeyVersion, type KeyRings, makeKey } from './kms-keys.ts';
import { now } from './proto-json.ts';
import type { RpcMethod } from './rpc.ts';

type V1 = typeof protos.google.cloud.kms.v1;
/** A request, checked against the protos. */
type Asked<Name extends RequestName> = NonNullable<ConstructorParameters<V1[Name]>[0]>;
type RequestName = Extract<keyof V1, `${string}Request`>;
type KeyRing = protos.google.cloud.kms.v1.IKeyRing;
type CryptoKey = protos.google.cloud.kms.v1.ICryptoKey;
type Version = protos.google.cloud.kms.v1.ICryptoKeyVersion;

/** Making rings, keys and versions, and what becomes of versions. Nothing is ever deleted, as on Google. */
export function manageMethods(store: KeyRings) {
  return { ...ringMethods(store), ...keyMethods(store), ...versionMethods(store) };
}

// --- Internal helpers ---

const idPattern = /^[A-Za-z0-9_-]{1,63}$/;
const daySeconds = 24 * 3600;

function ringMethods({ rings }: KeyRings) {
  const GetKeyRing: RpcMethod<Asked<'GetKeyRingRequest'>, KeyRing> = {
    needs: ({ name }) => need('keyRings.get', name),
    handle({ name }) {
      const ring = rings.get(name ?? '');
      if (ring === undefined) throw notFound(`KeyRing ${name} not found.`);
      return ring;
    },
  };
  const CreateKeyRing: RpcMethod<Asked<'CreateKeyRingRequest'>, KeyRing> = {
    needs: ({ parent }) => need('keyRings.create', parent),
    handle({ parent, keyRingId }) {
      refuseId(keyRingId, 'key_ring_id');
      const name = `${parent}/keyRings/${keyRingId}`;
      if (rings.has(name)) throw alreadyExists(`KeyRing ${name} already exists.`);
      const ring = { name, createTime: now() };
      rings.set(name, ring);
      return ring;
    },
  };
  return { GetKeyRing, CreateKeyRing };
}

function keyMethods({ rings, keys, keyAt }: KeyRings) {
  const GetCryptoKey: RpcMethod<Asked<'GetCryptoKeyRequest'>, CryptoKey> = {
    needs: ({ name }) => need('cryptoKeys.get', name),
    handle: ({ name }) => keyOf(keyAt(name ?? '')),
  };
  const ListCryptoKeys: RpcMethod<
    Asked<'ListCryptoKeysRequest'>,
    protos.google.cloud.kms.v1.IListCryptoKeysResponse
  > = {
    needs: ({ parent }) => need('cryptoKeys.list', parent),
    handle({ parent }) {
      const mine = [...keys.values()].filter(({ fields }) => fields.name.startsWith(`${parent}/cryptoKeys/`));
      return { cryptoKeys: mine.map(keyOf), totalSize: mine.length };
    },
  };
  const CreateCryptoKey: RpcMethod<Asked<'CreateCryptoKeyRequest'>, CryptoKey> = {
    needs: ({ parent }) => need('cryptoKeys.create', parent),
    handle({ parent, cryptoKeyId, cryptoKey }) {
      if (!rings.has(parent ?? '')) throw notFound(`KeyRing ${parent} not found.`);
      refuseId(cryptoKeyId, 'crypto_key_id');
      refuseKey(cryptoKey ?? {});
      const name = `${parent}/cryptoKeys/${cryptoKeyId}`;
      if (keys.has(name)) throw alreadyExists(`CryptoKey ${name} already exists.`);
      const key = makeKey({ ...cryptoKey, name });
      keys.set(name, key);
      return keyOf(key);
    },
  };
  const UpdateCryptoKey: RpcMethod<Asked<'UpdateCryptoKeyRequest'>, CryptoKey> = {
    needs: ({ cryptoKey }) => need('cryptoKeys.update', cryptoKey?.name),
    handle({ cryptoKey, updateMask }) {
      const key = keyAt(cryptoKey?.name ?? '');
      const paths = updateMask?.paths ?? [];
      if (paths.length === 0) throw invalidArgument('update_mask must be set.');
      const wanted = Object.entries(cryptoKey ?? {}).filter(([field]) => paths.includes(snakeCase(field)));
      const fields = { ...key.fields, ...Object.fromEntries(wanted) };
      refuseKey(fields);
      key.fields = fields;
      return keyOf(key);
    },
  };
  const UpdateCryptoKeyPrimaryVersion: RpcMethod<Asked<'UpdateCryptoKeyPrimaryVersionRequest'>, CryptoKey> = {
    needs: ({ name }) => need('cryptoKeys.update', name),
    handle({ name, cryptoKeyVersionId }) {
      const key = keyAt(name ?? '');
      const version = key.versions[Number(cryptoKeyVersionId) - 1];
      if (version === undefined) throw notFound(`CryptoKeyVersion ${cryptoKeyVersionId} of ${name} not found.`);
      key.primary = Number(cryptoKeyVersionId);
      return keyOf(key);
    },
  };
  return { GetCryptoKey, ListCryptoKeys, CreateCryptoKey, UpdateCryptoKey, UpdateCryptoKeyPrimaryVersion };
}

function versionMethods({ keyAt, versionAt }: KeyRings) {
  const GetCryptoKeyVersion: RpcMethod<Asked<'GetCryptoKeyVersionRequest'>, Version> = {
    needs: ({ name }) => need('cryptoKeyVersions.get', name),
    handle: ({ name }) => versionOf(versionAt(name ?? '')),
  };
  const ListCryptoKeyVersions: RpcMethod<
    Asked<'ListCryptoKeyVersionsRequest'>,
    protos.google.cloud.kms.v1.IListCryptoKeyVersionsResponse
  > = {
    needs: ({ parent }) => need('cryptoKeyVersions.list', parent),
    handle({ parent }) {
      const { versions } = keyAt(parent ?? '');
      return { cryptoKeyVersions: versions.map(versionOf), totalSize: versions.length };
    },
  };
  const CreateCryptoKeyVersion: RpcMethod<Asked<'CreateCryptoKeyVersionRequest'>, Version> = {
    needs: ({ parent }) => need('cryptoKeyVersions.create', parent),
    handle: ({ parent }) => versionOf(addVersion(keyAt(parent ?? ''))),
  };
  const UpdateCryptoKeyVersion: RpcMethod<Asked<'UpdateCryptoKeyVersionRequest'>, Version> = {
    needs: ({ cryptoKeyVersion }) => need('cryptoKeyVersions.update', cryptoKeyVersion?.name),
    handle({ cryptoKeyVersion }) {
      const version = versionAt(cryptoKeyVersion?.name ?? '');
      const state = cryptoKeyVersion?.state;
      if (state !== 'ENABLED' && state !== 'DISABLED')
        throw invalidArgument('A version can only become ENABLED or DISABLED.');
      refuseState(version, ['ENABLED', 'DISABLED']);
      version.state = state;
      return versionOf(version);
    },
  };
  const DestroyCryptoKeyVersion: RpcMethod<Asked<'DestroyCryptoKeyVersionRequest'>, Version> = {
    needs: ({ name }) => need('cryptoKeyVersions.destroy', name),
    handle({ name }) {
      const version = versionAt(name ?? '');
      refuseState(version, ['ENABLED', 'DISABLED']);
      version.state = 'DESTROY_SCHEDULED';
      return versionOf(version);
    },
  };
  const RestoreCryptoKeyVersion: RpcMethod<Asked<'RestoreCryptoKeyVersionRequest'>, Version> = {
    needs: ({ name }) => need('cryptoKeyVersions.restore', name),
    handle({ name }) {
      const version = versionAt(name ?? '');
      refuseState(version, ['DESTROY_SCHEDULED']);
      version.state = 'DISABLED';
      return versionOf(version);
    },
  };
  return {
    GetCryptoKeyVersion,
    ListCryptoKeyVersions,
    CreateCryptoKeyVersion,
    UpdateCryptoKeyVersion,
    DestroyCryptoKeyVersion,
    RestoreCryptoKeyVersion,
  };
}

function need(act: string, resource: string | null | undefined) {
  return { permission: `cloudkms.${act}`, resource: resource ?? '' };
}

function keyOf({ fields, versions, primary }: FakeKey): CryptoKey {
  const version = versions[primary - 1];
  return { ...fields, ...(version === undefined ? {} : { primary: versionOf(version) }) };
}

function versionOf({ name, state, createTime }: FakeKeyVersion): Version {
  return { name, state, createTime, protectionLevel: 'SOFTWARE', algorithm: 'GOOGLE_SYMMETRIC_ENCRYPTION' };
}

function refuseId(id: string | null | undefined, field: string): void {
  if (!idPattern.test(id ?? '')) throw invalidArgument(`${field} must match ${idPattern.source}.`);
}

function refuseKey({ purpose, rotationPeriod, nextRotationTime }: CryptoKey): void {
  if (purpose !== 'ENCRYPT_DECRYPT') throw invalidArgument('crypto_key.purpose must be ENCRYPT_DECRYPT here.');
  if (rotationPeriod == null) return;
  if (Number(rotationPeriod.seconds) < daySeconds) throw invalidArgument('rotation_period must be at least 24 hours.');
  if (nextRotationTime == null) throw invalidArgument('next_rotation_time must be set where rotation_period is.');
}

function refuseState({ name, state }: FakeKeyVersion, allowed: readonly FakeKeyVersion['state'][]): void {
  if (!allowed.includes(state)) throw failedPrecondition(`${name} has the state ${state}.`, `KEY_${state}`);
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
