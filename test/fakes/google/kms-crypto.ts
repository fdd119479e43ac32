import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { protos } from '@google-cloud/kms';
import { crc32c } from '../../../src/lib/crc32c.ts';
import { failedPrecondition, type GoogleFailure, invalidArgument } from './failure.ts';
import { type FakeKey, type FakeKeyVersion, type KeyRings, parentOf } from './kms-keys.ts';
import type { RpcMethod } from './rpc.ts';

type EncryptRequest = protos.google.cloud.kms.v1.IEncryptRequest;
type EncryptResponse = protos.google.cloud.kms.v1.IEncryptResponse;
type DecryptRequest = protos.google.cloud.kms.v1.IDecryptRequest;
type DecryptResponse = protos.google.cloud.kms.v1.IDecryptResponse;

/** Encrypting and decrypting, with every checksum that comes along checked, and one beside everything that goes. */
export function cryptoMethods(store: KeyRings) {
  const Encrypt: RpcMethod<EncryptRequest, EncryptResponse> = {
    needs: ({ name }) => ({ permission: 'cloudkms.cryptoKeyVersions.useToEncrypt', resource: name ?? '' }),
    handle(request) {
      const plaintext = checked(request, 'plaintext');
      const aad = checked(request, 'additionalAuthenticatedData');
      const name = request.name ?? '';
      const isVersion = name.includes('/cryptoKeyVersions/');
      const key = store.keyAt(isVersion ? parentOf(name, '/cryptoKeyVersions/') : name);
      const number = isVersion ? key.versions.indexOf(store.versionAt(name)) + 1 : key.primary;
      const version = usable(key, number);
      const ciphertext = encrypt(version, number, plaintext, aad);
      return {
        name: version.name,
        ciphertext,
        ciphertextCrc32c: checksum(ciphertext),
        verifiedPlaintextCrc32c: request.plaintextCrc32c != null,
        verifiedAdditionalAuthenticatedDataCrc32c: request.additionalAuthenticatedDataCrc32c != null,
        protectionLevel: 'SOFTWARE',
      };
    },
  };
  const Decrypt: RpcMethod<DecryptRequest, DecryptResponse> = {
    needs: ({ name }) => ({ permission: 'cloudkms.cryptoKeyVersions.useToDecrypt', resource: name ?? '' }),
    handle(request) {
      const ciphertext = checked(request, 'ciphertext');
      const aad = checked(request, 'additionalAuthenticatedData');
      const key = store.keyAt(request.name ?? '');
      const { plaintext, number } = decrypt(key, ciphertext, aad);
      const usedPrimary = number === key.primary;
      return { plaintext, plaintextCrc32c: checksum(plaintext), usedPrimary, protectionLevel: 'SOFTWARE' };
    },
  };
  return { Encrypt, Decrypt };
}

// --- Internal helpers ---

const bytesMax = 64 * 1024;
const numberBytes = 4;
const nonceBytes = 12;
const tagBytes = 16;

type Field = 'plaintext' | 'ciphertext' | 'additionalAuthenticatedData';

/** The bytes of the field, at most 64 KiB, whose checksum holds where one came along. */
function checked(request: EncryptRequest & DecryptRequest, field: Field): Buffer {
  const snake = field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  const bytes = Buffer.from((request[field] as Uint8Array | undefined) ?? []);
  // What encryption adds comes on top.
  if (bytes.length > bytesMax + (field === 'ciphertext' ? 1024 : 0))
    throw invalidArgument(`The ${snake} must be no larger than 64KiB.`);
  const claimed = request[`${field}Crc32c`]?.value;
  if (claimed != null && String(claimed) !== String(crc32c(bytes)))
    throw invalidArgument(`The checksum in field ${snake}_crc32c did not match the data in field ${snake}.`);
  return bytes;
}

function checksum(bytes: Buffer) {
  return { value: crc32c(bytes) };
}

/** The number of the version, a nonce, what was encrypted, its tag. */
function encrypt({ material }: FakeKeyVersion, number: number, plaintext: Buffer, aad: Buffer): Buffer {
  const head = Buffer.alloc(numberBytes);
  head.writeUInt32BE(number);
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', material, nonce).setAAD(aad);
  return Buffer.concat([head, nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

function decrypt(key: FakeKey, ciphertext: Buffer, aad: Buffer): { plaintext: Buffer; number: number } {
  if (ciphertext.length < numberBytes + nonceBytes + tagBytes) throw undecipherable('the ciphertext is invalid.');
  const number = ciphertext.readUInt32BE();
  if (key.versions[number - 1] === undefined)
    throw undecipherable("verify that 'name' refers to the correct CryptoKey.");
  const { material } = usable(key, number);
  const body = ciphertext.subarray(numberBytes);
  try {
    const decipher = createDecipheriv('aes-256-gcm', material, body.subarray(0, nonceBytes), {
      authTagLength: tagBytes,
    })
      .setAAD(aad)
      .setAuthTag(body.subarray(-tagBytes));
    const plaintext = [decipher.update(body.subarray(nonceBytes, -tagBytes)), decipher.final()];
    return { plaintext: Buffer.concat(plaintext), number };
  } catch {
    throw undecipherable('the ciphertext or the additional authenticated data is invalid.');
  }
}

function undecipherable(why: string): GoogleFailure {
  return invalidArgument(`Decryption failed: ${why}`);
}

function usable(key: FakeKey, number: number): FakeKeyVersion {
  const version = key.versions[number - 1];
  if (version === undefined) throw failedPrecondition(`${key.fields.name} does not have a primary version.`);
  if (version.state === 'ENABLED') return version;
  throw failedPrecondition(
    `${version.name} is not enabled, current state is: ${version.state}.`,
    `KEY_${version.state}`,
    `https://cloudkms.googleapis.com/v1/${version.name}`,
  );
}
