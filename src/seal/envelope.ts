import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { RunyardError } from '../contracts/errors.ts';

/** What all seals have in common: AES-256-GCM under a key, with the context as additional data. */

export const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;

/** What `encrypt` adds. */
export const overheadBytes = nonceBytes + tagBytes;

/** A nonce, what was encrypted, its tag. */
export function encrypt(key: Buffer, plain: Uint8Array, context: string): Buffer {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(context));
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** Throws where anything of it was changed, or key or context are others. */
export function decrypt(key: Buffer, sealed: Buffer, context: string): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, nonceBytes), { authTagLength: tagBytes })
    .setAAD(Buffer.from(context))
    .setAuthTag(sealed.subarray(-tagBytes));
  return Buffer.concat([decipher.update(sealed.subarray(nonceBytes, -tagBytes)), decipher.final()]);
}

/** For the whole of the bytes, without a copy. */
export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function cannotBeOpened(context: string, hint: string, cause?: unknown): RunyardError {
  return new RunyardError(
    'backend_error',
    `The sealed part of ${context} cannot be opened: it was changed, or sealed with another key.`,
    { hint, ...(cause === undefined ? {} : { cause }) },
  );
}
