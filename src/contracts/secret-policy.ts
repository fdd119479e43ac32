import type { Caller } from './caller.ts';
import { RunyardError } from './errors.ts';
import type { SecretDeclaration, SecretUse } from './secrets.ts';

/** Where a secret would be sent. `port` is the real one, also where the address does not spell it. */
export interface SecretPlace {
  readonly host: string;
  readonly port: number;
}

/**
 * Throws `forbidden` where the operator has not declared the reference for this use, this place and this caller. All of
 * that is one sentence, so that nobody learns what is declared for others.
 */
export function refuseUndeclared(
  declarations: readonly SecretDeclaration[],
  reference: string,
  use: SecretUse,
  caller: Caller,
  place?: SecretPlace,
): void {
  const declared = declarations.some(
    (each) =>
      each.reference === reference &&
      (each.owner === undefined || each.owner === caller.owner) &&
      each.uses.some((declaredUse) => allows(declaredUse, use, place)),
  );
  if (declared) return;
  const as = place === undefined ? `"${use}"` : `"${use}" at ${place.host}:${place.port}`;
  throw new RunyardError('forbidden', `The secret reference ${reference} is not declared for you to use as ${as}.`, {
    hint: 'Use another reference, or ask the operator to declare this one in RUNYARD_SECRETS.',
  });
}

/** What a declaration without a port means: other ports of a host may be other people's. */
const standardPorts: Readonly<Record<SecretUse, readonly number[]>> = {
  env: [],
  git: [443, 22],
  webhook: [443],
  mcp: [443],
};

function allows(declared: SecretDeclaration['uses'][number], use: SecretUse, place: SecretPlace | undefined): boolean {
  if (declared.use !== use) return false;
  if (use === 'env') return place === undefined;
  if (place === undefined || declared.host !== place.host.toLowerCase()) return false;
  return declared.port === undefined ? standardPorts[use].includes(place.port) : declared.port === place.port;
}
