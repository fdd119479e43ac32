import { z } from 'zod';
import type { GoogleRest } from './google-rest.ts';
import { type Installation, idIn, names } from './installation.ts';
import { gcloud } from './shell.ts';
import type { Step } from './step.ts';

const day = 86_400;
const rotationDays = 90;

const keyRing = z.looseObject({ name: z.string() });
const cryptoKey = z.looseObject({ purpose: z.string(), rotationPeriod: z.string().optional() });

/** Where the key lies is in its full name: it may be another project's. */
function flagsOf(kmsKey: string): string[] {
  return [`--location=${idIn(kmsKey, 'locations')}`, `--project=${idIn(kmsKey, 'projects')}`];
}

export function keyRingStep({ place }: Installation, rest: GoogleRest): Step {
  const full = names.keyRing(place);
  const id = idIn(full, 'keyRings');
  const path = `/v1/${full.slice(0, full.lastIndexOf('/'))}`;
  return {
    title: `Key ring ${id}`,
    makes: [`in ${idIn(full, 'locations')}`],
    gcloud: [gcloud('kms', 'keyrings', 'create', id, ...flagsOf(place.kmsKey))],
    async look() {
      const there = await rest.find({ api: 'kms', path: `/v1/${full}` }, keyRing);
      return { state: there === undefined ? 'missing' : 'there' };
    },
    async make() {
      await rest.create({ api: 'kms', method: 'POST', path, query: { keyRingId: id }, body: {} });
      return undefined;
    },
    end: { goes: false, why: 'Google deletes no key ring', gcloud: [] },
  };
}

export function keyStep({ place }: Installation, rest: GoogleRest): Step {
  const { kmsKey } = place;
  const id = idIn(kmsKey, 'cryptoKeys');
  const ring = names.keyRing(place);
  const find = () => rest.find({ api: 'kms', path: `/v1/${kmsKey}` }, cryptoKey);
  /** Google wants to be told when the first time is. */
  const rotation = () => ({
    rotationPeriod: `${rotationDays * day}s`,
    nextRotationTime: new Date(Date.now() + rotationDays * day * 1000).toISOString(),
  });
  const inRing = [`--keyring=${idIn(kmsKey, 'keyRings')}`, ...flagsOf(kmsKey)];
  return {
    title: `Key ${id}`,
    makes: [
      `wraps the key of every task; a new version every ${rotationDays} days, old ones go on opening what they sealed`,
    ],
    gcloud: [
      gcloud(
        ...['kms', 'keys', 'create', id, ...inRing, '--purpose=encryption', `--rotation-period=${rotationDays}d`],
        `--next-rotation-time=+P${rotationDays}D`,
      ),
    ],
    async look() {
      const there = await find();
      if (there === undefined) return { state: 'missing' };
      return there.rotationPeriod === undefined ? { state: 'differs', how: 'it is never rotated' } : { state: 'there' };
    },
    async make() {
      const body = { purpose: 'ENCRYPT_DECRYPT', ...rotation() };
      await rest.create({
        api: 'kms',
        method: 'POST',
        path: `/v1/${ring}/cryptoKeys`,
        query: { cryptoKeyId: id },
        body,
      });
      if ((await find())?.rotationPeriod !== undefined) return undefined;
      const query = { updateMask: 'rotationPeriod,nextRotationTime' };
      await rest.send({ api: 'kms', method: 'PATCH', path: `/v1/${kmsKey}`, query, body: rotation() }, z.unknown());
      return undefined;
    },
    end: {
      goes: false,
      why: 'without it what is sealed in the bucket can never be opened again; Google deletes versions of keys, not keys',
      gcloud: [gcloud('kms', 'keys', 'versions', 'destroy', '1', `--key=${id}`, ...inRing)],
    },
  };
}
