import { RunyardError } from '../contracts/errors.ts';
import type { Secrets } from '../contracts/secrets.ts';
import { once } from '../lib/once.ts';
import { createEnvironmentSecrets } from './environment.ts';
import type { SecretManagerOptions } from './secret-manager.ts';

export interface SecretsOptions {
  /** The server's own environment, for `env:NAME`. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** For `secret-manager:NAME`; undefined where no place in the cloud is configured. */
  readonly secretManager: SecretManagerOptions | undefined;
}

/** Reads a reference where its scheme says. What only the cloud needs is loaded by the first reference that is there. */
export function createSecrets({ env, secretManager }: SecretsOptions): Secrets {
  const environment = createEnvironmentSecrets(env);
  const loadCloud = once(async () => {
    if (secretManager === undefined) return undefined;
    const { createSecretManagerSecrets } = await import('./secret-manager.ts');
    return createSecretManagerSecrets(secretManager);
  });
  return {
    async read(reference, signal) {
      if (!reference.startsWith('secret-manager:')) return environment.read(reference, signal);
      const cloud = await loadCloud();
      if (cloud === undefined) throw noCloud(reference);
      return cloud.read(reference, signal);
    },
  };
}

function noCloud(reference: string): RunyardError {
  return new RunyardError(
    'secret_unavailable',
    `${reference} cannot be read: this Runyard has no Google Cloud project.`,
    {
      hint: 'Ask the operator to set RUNYARD_PROJECT and RUNYARD_REGION where the server starts.',
    },
  );
}
