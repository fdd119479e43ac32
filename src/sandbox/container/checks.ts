import { RunyardError } from '../../contracts/errors.ts';
import type { Engine } from './engine.ts';
import { imageMissing } from './image.ts';
import { programsNeeded } from './init.ts';
import type { Standing } from './words.ts';

/** What the engine itself mounts; anything else comes from a configuration that nobody asked for. */
const ownMounts =
  /^\/(proc|sys|dev)(\/|$)|^\/(|tmp|workspace|etc\/(hosts|hostname|resolv\.conf|passwd|group)|run\/\.containerenv|\.dockerenv)$/;

/**
 * Refuses a container that is not the wall that was asked for, whatever the engine's configuration made of it: by what
 * its pid 1 finds, before anything untrusted has run. Throws `sandbox_unavailable` with what is amiss.
 */
export function checkStanding(standing: Standing, engine: Engine, image: string): void {
  const flaws = flawsOf(standing);
  if (flaws.length > 0) {
    throw new RunyardError(
      'sandbox_unavailable',
      `The container was built with a hole and is not used: ${flaws.join('; ')}.`,
      { hint: `Look for defaults in the configuration of ${engine.name} that add mounts, networks or privileges.` },
    );
  }
  const missing = programsNeeded.filter((path) => !standing.programs.includes(path));
  if (missing.length === 0) return;
  throw new RunyardError('sandbox_unavailable', `The image ${image} lacks ${missing.join(', ')}.`, {
    hint: imageMissing(engine, image).hint,
  });
}

export function flawsOf(standing: Standing): string[] {
  const { pid, uids, groups, capabilities, interfaces, mounts } = standing;
  const strange = mounts.filter((path) => !ownMounts.test(path));
  return [
    ...(pid === 1 ? [] : ['its first process is not pid 1']),
    ...(uids.length > 0 && uids.every((uid) => uid === 1000) ? [] : ['it does not run as the user 1000']),
    ...(groups.every((group) => group === 1000) ? [] : ['it belongs to other groups']),
    ...(Object.values(capabilities).every((set) => /^0+$/.test(set)) ? [] : ['it has capabilities']),
    ...(standing.noNewPrivileges ? [] : ['it can gain privileges']),
    ...(standing.isFiltered ? [] : ['no system call filter is in force']),
    ...(interfaces.every((name) => name === 'lo') ? [] : [`it has network interfaces (${interfaces.join(', ')})`]),
    ...(standing.hostname === 'runyard' ? [] : ['it knows a host name']),
    ...(standing.rootIsReadOnly ? [] : ['its root can be written']),
    ...(standing.ownsWorkspace ? [] : ['its workspace belongs to somebody else']),
    ...(strange.length === 0 ? [] : [`something is mounted in it that nobody asked for (${strange.join(', ')})`]),
  ];
}
