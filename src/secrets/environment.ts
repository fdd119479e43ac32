import { RunyardError } from '../contracts/errors.ts';
import type { Secrets } from '../contracts/secrets.ts';
import { nameIn, usableValue } from './value.ts';

/** `env:NAME`: a variable of the server's own environment, as it is now. */
export function createEnvironmentSecrets(env: Readonly<Record<string, string | undefined>>): Secrets {
  return {
    async read(reference) {
      const name = nameIn(reference, 'env:');
      const text = env[name];
      if (text === undefined) {
        throw new RunyardError('secret_unavailable', `${reference} is not set where the server runs.`, {
          hint: `Ask the operator to set ${name} in the server's environment and to start it again.`,
        });
      }
      return usableValue(reference, text);
    },
  };
}
