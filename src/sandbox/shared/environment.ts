import { RunyardError } from '../../contracts/errors.ts';
import { type Program, wallPaths } from '../../contracts/sandbox.ts';

export const wallPath = '/runyard/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** All that a step has for an environment: the wall's own, and what the caller asked for over it. */
export function stepEnvironment(env: Program['env']): Record<string, string> {
  return { PATH: wallPath, HOME: wallPaths.home, LANG: 'C.UTF-8', PWD: wallPaths.workspace, ...env };
}

/** Throws `invalid_request` where no process can be given what the program asks for. */
export function refuseImpossible({ steps, env }: Program): void {
  const texts = [...steps.flatMap(({ argv }) => argv), ...Object.entries(env).flat()];
  if (texts.some((text) => text.includes('\0'))) {
    throw new RunyardError(
      'invalid_request',
      'An argument or a variable holds a NUL character, which no program can be given.',
    );
  }
  const odd = Object.keys(env).find((name) => name === '' || name.includes('='));
  if (odd !== undefined) {
    throw new RunyardError('invalid_request', `There can be no variable called ${JSON.stringify(odd)}.`);
  }
}
