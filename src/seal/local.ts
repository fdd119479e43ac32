import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { linkSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { RunyardError } from '../contracts/errors.ts';
import type { Seal } from '../contracts/seal.ts';
import { hasCode } from '../lib/has-code.ts';
import { makeFolder } from '../lib/make-folder.ts';

export interface LocalSealOptions {
  /** 32 random bytes, made with mode 0600 where the file is not there; outside the store. */
  readonly keyFile: string;
}

const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;
/** Nonce, encrypted key and tag of the data key; then nonce, data and tag of the data. */
const wrappedBytes = nonceBytes + keyBytes + tagBytes;
const version = Buffer.from('RYS1');

/**
 * Envelope encryption under a key file: a fresh data key per object, wrapped by the file's key, both AES-256-GCM with
 * the context as additional data. Protects what is erased and what is backed up, not against the same user.
 */
export function createLocalSeal({ keyFile }: LocalSealOptions): Seal {
  const key = readOrMakeKey(keyFile);

  return {
    async seal(plain, context) {
      const dataKey = randomBytes(keyBytes);
      return Buffer.concat([version, encrypt(key, dataKey, context), encrypt(dataKey, plain, context)]);
    },
    async unseal(sealed, context) {
      const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
      if (!bytes.subarray(0, version.length).equals(version)) throw notOurs(context);
      const wrapped = bytes.subarray(version.length, version.length + wrappedBytes);
      try {
        const dataKey = decrypt(key, wrapped, context);
        return decrypt(dataKey, bytes.subarray(version.length + wrappedBytes), context);
      } catch (error) {
        throw notOurs(context, error);
      }
    },
  };
}

function encrypt(key: Buffer, plain: Uint8Array, context: string): Buffer {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(context));
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function decrypt(key: Buffer, sealed: Buffer, context: string): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, nonceBytes), { authTagLength: tagBytes })
    .setAAD(Buffer.from(context))
    .setAuthTag(sealed.subarray(-tagBytes));
  return Buffer.concat([decipher.update(sealed.subarray(nonceBytes, -tagBytes)), decipher.final()]);
}

function notOurs(context: string, cause?: unknown): RunyardError {
  return new RunyardError(
    'backend_error',
    `The sealed part of ${context} cannot be opened: it was changed, or sealed with another key.`,
    {
      hint: 'Restore the key file this task was sealed with, or submit the task anew.',
      ...(cause === undefined ? {} : { cause }),
    },
  );
}

/** Two processes may start at once: the key is written whole under another name and linked; the first link wins. */
function readOrMakeKey(keyFile: string): Buffer {
  const known = readKey(keyFile);
  if (known !== undefined) return known;
  makeFolder(dirname(keyFile), 0o700);
  const draft = `${keyFile}.${process.pid}.${randomBytes(4).toString('hex')}`;
  writeFileSync(draft, randomBytes(keyBytes), { mode: 0o600, flush: true });
  try {
    linkSync(draft, keyFile);
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
  } finally {
    unlinkSync(draft);
  }
  return readKey(keyFile)!;
}

function readKey(keyFile: string): Buffer | undefined {
  try {
    const key = readFileSync(keyFile);
    if (key.length === keyBytes) return key;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw new RunyardError('backend_error', `The sealing key ${keyFile} cannot be read.`, { cause: error });
  }
  throw new RunyardError('backend_error', `The sealing key ${keyFile} is not ${keyBytes} bytes long.`, {
    hint: 'Restore it from a backup; what was sealed with another key cannot be opened.',
  });
}
