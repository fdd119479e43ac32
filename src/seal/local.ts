import { randomBytes } from 'node:crypto';
import { linkSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { RunyardError } from '../contracts/errors.ts';
import type { Seal } from '../contracts/seal.ts';
import { hasCode } from '../lib/has-code.ts';
import { makeFolder } from '../lib/make-folder.ts';
import { bufferOf, cannotBeOpened, decrypt, encrypt, keyBytes, overheadBytes } from './envelope.ts';

export interface LocalSealOptions {
  /** 32 random bytes, made with mode 0600 where the file is not there; outside the store. */
  readonly keyFile: string;
}

/** The data key under the file's key; the data under the data key follows. */
const wrappedBytes = keyBytes + overheadBytes;
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
      const bytes = bufferOf(sealed);
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

function notOurs(context: string, cause?: unknown): RunyardError {
  return cannotBeOpened(context, 'Restore the key file this task was sealed with, or submit the task anew.', cause);
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
