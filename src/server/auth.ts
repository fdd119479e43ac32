import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import type { Caller } from '../contracts/caller.ts';
import { errorCatalogue, RunyardError } from '../contracts/errors.ts';
import { hasCode } from '../lib/has-code.ts';
import { SettingsError } from '../lib/settings.ts';
import { isLoopback } from './loopback.ts';

export interface AuthOptions {
  /** The address that is served. */
  readonly host: string;
  readonly mode: 'auto' | 'none';
  readonly apiKeys: readonly { readonly id: string; readonly key: string }[];
  /** Where the token of a loopback server without keys is left, mode 0600. */
  readonly tokenFile: string;
  /** The owner on stdio: whoever can read the token file is the same user. */
  readonly localOwner: string;
}

export interface Authenticator {
  /** Who sends this `Authorization` header. Throws `unauthorized`. */
  callerOf(authorization: string | undefined): Caller;
  /** What a caller needs, in words for the operator; no secret. */
  readonly access: string;
  /** Once the address is served: leaves what callers need where they find it. A start that fails leaves nothing. */
  announce(): void;
  close(): void;
}

/** Of callers that nobody asked for a credential: they see each other's tasks and nobody else's. */
const anonymous: Caller = { owner: 'anonymous:loopback' };

const nothingLeft = { announce() {}, close() {} };

/** Throws SettingsError where the address would stand open to others. */
export function createAuthenticator(options: AuthOptions): Authenticator {
  const { host, mode, apiKeys } = options;
  if (mode === 'none') return openDoor(options);
  if (apiKeys.length > 0) {
    const keys = apiKeys.map(({ id, key }) => ({ owner: `key:${id}`, key }));
    return {
      ...bearerKeys(keys, errorCatalogue.unauthorized.hint),
      access: 'one of the configured keys',
      ...nothingLeft,
    };
  }
  if (isLoopback(host)) return ownToken(options);
  throw new SettingsError(
    `Serving HTTP on ${host} needs --api-keys (RUNYARD_API_KEYS), since others can reach it. Without keys, serve on 127.0.0.1.`,
  );
}

function openDoor({ host, apiKeys }: AuthOptions): Authenticator {
  if (!isLoopback(host))
    throw new SettingsError(`--auth (RUNYARD_AUTH) can be "none" on loopback only, not on ${host}.`);
  if (apiKeys.length > 0) {
    throw new SettingsError(
      '--auth (RUNYARD_AUTH) is "none", but --api-keys (RUNYARD_API_KEYS) are given: leave one out.',
    );
  }
  return { callerOf: () => anonymous, access: 'open to this machine', ...nothingLeft };
}

function bearerKeys(
  keys: readonly { readonly owner: string; readonly key: string }[],
  hint: string,
): Pick<Authenticator, 'callerOf'> {
  const known = keys.map(({ owner, key }) => ({ owner, digest: digest(key) }));
  return {
    callerOf(authorization) {
      const [, key] = /^bearer +(\S+)$/i.exec(authorization?.trim() ?? '') ?? [];
      if (key === undefined) throw new RunyardError('unauthorized', undefined, { hint });
      const presented = digest(key);
      // All are compared, so that the time tells nothing of which one it nearly was.
      const [match] = known.filter((each) => timingSafeEqual(each.digest, presented));
      if (match === undefined) throw new RunyardError('unauthorized', 'The key is not one of this server.', { hint });
      return { owner: match.owner };
    },
  };
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

const tokenHint = 'Send "Authorization: Bearer TOKEN" with the token that the server left in $RUNYARD_HOME/http-token.';

/** A token of this start, in a file that only the same user can read. */
function ownToken({ tokenFile, localOwner }: AuthOptions): Authenticator {
  const token = randomBytes(32).toString('base64url');
  let isAnnounced = false;
  return {
    ...bearerKeys([{ owner: localOwner, key: token }], tokenHint),
    access: `the token in ${tokenFile}`,
    announce() {
      const fresh = `${tokenFile}.${process.pid}`;
      writeFileSync(fresh, token, { mode: 0o600 });
      renameSync(fresh, tokenFile);
      isAnnounced = true;
    },
    close() {
      if (isAnnounced) removeOwn(tokenFile, token);
    },
  };
}

/** Another server of the same home may have left its own since. */
function removeOwn(tokenFile: string, token: string): void {
  try {
    if (readFileSync(tokenFile, 'utf8') === token) rmSync(tokenFile);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  }
}
