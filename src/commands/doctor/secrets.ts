import type { Config } from '../../config.ts';
import { asRunyardError } from '../../contracts/errors.ts';
import type { Finding } from '../../contracts/sandbox.ts';
import { createSecrets } from '../../secrets/index.ts';

const readTimeoutMs = 10_000;

/** Whether each secret that is declared has a value that can be read; never what it is. */
export async function secretFindings({
  secrets: declared,
  cloud,
}: Pick<Config, 'secrets' | 'cloud'>): Promise<Finding[]> {
  const secretManager = cloud && { project: cloud.project, endpoint: cloud.endpoints.secretManager, patienceMs: 4000 };
  const secrets = createSecrets({ env: process.env, secretManager });
  const references = [...new Set(declared.map(({ reference }) => reference))];
  return Promise.all(
    references.map(async (reference): Promise<Finding> => {
      const subject = `secret ${reference}`;
      try {
        await secrets.read(reference, AbortSignal.timeout(readTimeoutMs));
        return { subject, state: 'ok', detail: 'has a value' };
      } catch (error) {
        const { message, hint } = asRunyardError(error);
        return { subject, state: 'missing', detail: message, remedy: hint };
      }
    }),
  );
}
