import type { Egress } from '../contracts/egress.ts';
import { RunyardError } from '../contracts/errors.ts';
import type { SecretDeclaration } from '../contracts/secrets.ts';
import type { SealedCallback } from '../contracts/webhook.ts';
import { targetOf } from '../lib/request-over.ts';
import type { SecretSource } from './task-secrets.ts';

/** Where a task's end is told, and with which secret that is signed. */

export interface CallbackPolicy {
  readonly egress: Egress;
  readonly secretDeclarations: readonly SecretDeclaration[];
  /** `host:port` pairs that may be told though private or over plain http. */
  readonly plainCallbacks: readonly { readonly host: string; readonly port: number }[];
}

/** Throws `invalid_request`, `forbidden` or `egress_denied`, each naming the field, where the address may not be told. */
export async function refuseCallback(policy: CallbackPolicy, address: string, owner: string): Promise<void> {
  const url = new URL(address);
  const target = targetOf(url);
  const plain = policy.plainCallbacks.some(({ host, port }) => host === target.host && port === target.port);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && plain)) {
    // Told as what it is where it could not be reached anyway.
    await check(policy.egress, target);
    throw new RunyardError('invalid_request', 'callback_url: must begin with https://');
  }
  await check(policy.egress, target);
  signingReference(policy.secretDeclarations, address, owner);
}

/** What the task's runner needs to tell it: the secret as it is now. Throws `secret_unavailable`, or as above. */
export async function callbackWithSecret(
  { secrets, secretDeclarations, plainCallbacks }: CallbackPolicy & SecretSource,
  url: string,
  owner: string,
): Promise<SealedCallback> {
  const reference = signingReference(secretDeclarations, url, owner);
  const secret = await secrets.read(reference, AbortSignal.timeout(readTimeoutMs));
  return { url, secret, privateTargets: [...plainCallbacks] };
}

/** The reference of the secret that is declared for this receiver and this owner. Throws `forbidden` where none is. */
export function signingReference(declarations: readonly SecretDeclaration[], address: string, owner: string): string {
  const target = targetOf(new URL(address));
  const suited = declarations.filter(({ uses }) =>
    uses.some(({ use, host, port = 443 }) => use === 'webhook' && host === target.host && port === target.port),
  );
  // One's own secret goes before one for everybody.
  const chosen = suited.find((each) => each.owner === owner) ?? suited.find((each) => each.owner === undefined);
  if (chosen !== undefined) return chosen.reference;
  throw new RunyardError(
    'forbidden',
    `callback_url: no secret is declared for webhooks to ${target.host}:${target.port}.`,
    {
      hint: `The operator declares one in RUNYARD_SECRETS: "env:NAME webhook@${target.host}".`,
    },
  );
}

// --- Internal helpers ---

const checkTimeoutMs = 10_000;
const readTimeoutMs = 10_000;

async function check(egress: Egress, target: { host: string; port: number }): Promise<void> {
  try {
    await egress.check(target, AbortSignal.timeout(checkTimeoutMs));
  } catch (error) {
    if (!(error instanceof RunyardError)) return; // A resolver that fails now may answer when there is something to tell.
    throw new RunyardError(error.code, `callback_url: ${error.message}`, { hint: error.hint, cause: error });
  }
}
