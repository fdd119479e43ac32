import { randomBytes } from 'node:crypto';
import type { protos } from '@google-cloud/kms';
import { notFound } from './failure.ts';
import { now, type Timestamp } from './proto-json.ts';

export type VersionState = keyof typeof protos.google.cloud.kms.v1.CryptoKeyVersion.CryptoKeyVersionState;

/** A key that encrypts: what it was made with, and versions with material of their own. */
export interface FakeKey {
  fields: protos.google.cloud.kms.v1.ICryptoKey & { readonly name: string };
  /** Version n stands at n - 1. */
  readonly versions: FakeKeyVersion[];
  /** The number of the version that encrypts; 0 where there is none. */
  primary: number;
}

export interface FakeKeyVersion {
  readonly name: string;
  readonly material: Buffer;
  readonly createTime: Timestamp;
  state: VersionState;
}

/** Everything that the service holds. */
export interface KeyRings {
  readonly rings: Map<string, protos.google.cloud.kms.v1.IKeyRing>;
  readonly keys: Map<string, FakeKey>;
  exists(resource: string): boolean;
  /** Throws what Google says of a key that is not there. */
  keyAt(name: string): FakeKey;
  /** `name` ends in `/cryptoKeyVersions/N`. */
  versionAt(name: string): FakeKeyVersion;
  addKey(name: string): void;
}

export function createKeyRings(): KeyRings {
  const rings: KeyRings['rings'] = new Map();
  const keys: KeyRings['keys'] = new Map();
  const keyAt = (name: string) => {
    const key = keys.get(name);
    if (key === undefined) throw notFound(`CryptoKey ${name} not found.`);
    return key;
  };
  return {
    rings,
    keys,
    exists: (resource) => rings.has(resource) || keys.has(resource),
    keyAt,
    versionAt(name) {
      const version = keyAt(parentOf(name, '/cryptoKeyVersions/')).versions.find((each) => each.name === name);
      if (version === undefined) throw notFound(`CryptoKeyVersion ${name} not found.`);
      return version;
    },
    addKey(name) {
      const ring = parentOf(name, '/cryptoKeys/');
      if (!rings.has(ring)) rings.set(ring, { name: ring, createTime: now() });
      if (!keys.has(name)) keys.set(name, makeKey({ name, purpose: 'ENCRYPT_DECRYPT' }));
    },
  };
}

/** A key with its first version. */
export function makeKey(fields: FakeKey['fields']): FakeKey {
  const key: FakeKey = { fields: { ...fields, createTime: now() }, versions: [], primary: 1 };
  addVersion(key);
  return key;
}

export function addVersion(key: FakeKey): FakeKeyVersion {
  const version: FakeKeyVersion = {
    name: `${key.fields.name}/cryptoKeyVersions/${key.versions.length + 1}`,
    material: randomBytes(32),
    createTime: now(),
    state: 'ENABLED',
  };
  key.versions.push(version);
  return version;
}

export function parentOf(name: string, before: string): string {
  return name.slice(0, name.lastIndexOf(before));
}
