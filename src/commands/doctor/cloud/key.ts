import { z } from 'zod';
import type { Finding } from '../../../contracts/sandbox.ts';
import { createKmsSeal } from '../../../seal/kms.ts';
import { type CloudView, deployAgain, ifAllowed, look, patienceMs, type Told } from './look.ts';

const cryptoKey = z.looseObject({
  primary: z.looseObject({ name: z.string() }).optional(),
  rotationPeriod: z.string().optional(),
});

const context = 'runyard doctor';
const probe = Buffer.from('what is sealed comes out again');

/** The key: something is sealed with it and opened again. */
export async function keyFinding(view: CloudView): Promise<Finding> {
  const { rest, installation } = view;
  const { kmsKey } = installation.place;
  return look('KMS key', view, async (): Promise<Told> => {
    const description = rest.find({ api: 'kms', path: `/v1/${kmsKey}` }, cryptoKey);
    const [key, ms] = await Promise.all([ifAllowed(description), sealAndOpen(view)]);
    const version = key?.primary?.name.split('/').at(-1);
    const which = version === undefined ? 'it' : `version ${version}`;
    const detail = `${which} seals, and opens what it sealed, in ${ms} ms`;
    if (key !== undefined && key.rotationPeriod === undefined)
      return { state: 'limited', detail: `${detail}; it is never rotated`, remedy: deployAgain };
    return { state: 'ok', detail };
  });
}

/** The milliseconds that both took. Throws what the seal says of a key that does not do it. */
async function sealAndOpen({ installation: { place } }: CloudView): Promise<number> {
  const { project, kmsKey: key, endpoints } = place;
  const seal = createKmsSeal({ project, key, endpoint: endpoints.kms, patienceMs });
  const startedAt = performance.now();
  const opened = await seal.unseal(await seal.seal(probe, context), context);
  if (!probe.equals(opened)) throw new Error('the key opened something else than it had sealed');
  return Math.round(performance.now() - startedAt);
}
