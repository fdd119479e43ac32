import { RunyardError } from '../../contracts/errors.ts';
import type { Standing } from './protocol/words.ts';

/** Throws `sandbox_unavailable` where what the program inside saw is no wall. Nothing untrusted has run there yet. */
export function checkStanding({ reachesMetadata, canWrite }: Standing, writable: boolean): void {
  const flaws = [
    ...(reachesMetadata ? ['the metadata server answers in it'] : []),
    ...(canWrite === writable ? [] : [writable ? 'its workspace cannot be written' : 'what it packs can be written']),
  ];
  if (flaws.length > 0) {
    throw new RunyardError(
      'sandbox_unavailable',
      `The wall was built with a hole and is not used: ${flaws.join('; ')}.`,
    );
  }
}
