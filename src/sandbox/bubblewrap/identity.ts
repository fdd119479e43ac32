import { readFile } from 'node:fs/promises';
import { getuid } from 'node:process';
import { RunyardError } from '../../contracts/errors.ts';

/** Whom the kernel sees when a wall runs. One wall at a time per identity, on the whole machine. */
export interface Identity {
  /** Of its lease, of its folder, and in the argument list of what it started. */
  readonly name: string;
  /** The real uid and gid to switch to; not given where the walls run as the user who started us. */
  readonly switchTo?: { readonly uid: number; readonly gid: number };
}

/** systemd's table of uids calls this range unused; it fits the 16-bit map of a container. */
const firstUid = 60_578;
const lastUid = 61_183;
const identitiesOfUser = 606;

/** Every identity a wall can have here, in the order they are tried. Throws `sandbox_unavailable` where there is none. */
export async function identities(): Promise<readonly Identity[]> {
  const own = getuid!();
  if (own !== 0) {
    return Array.from({ length: identitiesOfUser }, (_, slot) => ({ name: `runyard-${own}-slot-${slot}` }));
  }
  const [uids, gids] = await Promise.all([
    readFile('/proc/self/uid_map', 'utf8'),
    readFile('/proc/self/gid_map', 'utf8'),
  ]);
  const usable = Array.from({ length: lastUid - firstUid + 1 }, (_, index) => firstUid + index)
    .filter((id) => isMapped(uids, id) && isMapped(gids, id))
    .map((id) => ({ name: `runyard-uid-${id}`, switchTo: { uid: id, gid: id } }));
  if (usable.length === 0) {
    throw new RunyardError(
      'sandbox_unavailable',
      `Runyard runs as root of a user namespace that has none of the user ids ${firstUid} to ${lastUid}, so it cannot give up root.`,
      { hint: 'Start Runyard as an ordinary user, or give the container a map of 65536 user ids.' },
    );
  }
  return usable;
}

/** Whether the id stands in one of the lines `inside outside count` of a uid or gid map. */
export function isMapped(map: string, id: number): boolean {
  return map
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .some(([inside, , count]) => inside !== undefined && count !== undefined && id >= inside && id < inside + count);
}
