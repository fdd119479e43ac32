import { RunyardError } from '../../contracts/errors.ts';

export const enableLauncher =
  'Deploy the job again with "runyard deploy": it sets sandboxLauncher on the container, in the second generation of the execution environment.';

/** What the launcher says, why, and what to do. The first that fits counts. */
const causes: readonly { readonly says: RegExp; readonly because: string; readonly hint: string }[] = [
  {
    says: /operation not permitted|permission denied|must be root|requires root/i,
    because: 'the launcher may be used by root only',
    hint: 'Let the container start as root: its image sets no USER.',
  },
  {
    says: /unknown flag|unknown command|unknown shorthand/i,
    because: 'this launcher does not know what Runyard asks of it',
    hint: 'Update Runyard, or set RUNYARD_SANDBOX=bubblewrap on the job.',
  },
  {
    says: /cannot allocate memory|out of memory|resource temporarily unavailable/i,
    because: 'the instance has no room for another sandbox',
    hint: 'Use a larger size, or run less at once.',
  },
  {
    says: /no such file or directory|not found/i,
    because: 'something that the wall is made of is not in the image',
    hint: 'Use the image that belongs to this version of Runyard.',
  },
];

/** `sandbox_unavailable` in our words, with the launcher's own last line. */
export function launcherFailure(said: string): RunyardError {
  const line = said.trim().split('\n').at(-1)?.slice(0, 300) ?? '';
  const known = causes.find(({ says }) => says.test(said));
  const because = known === undefined ? '' : `${known.because} `;
  return new RunyardError(
    'sandbox_unavailable',
    `Cloud Run's launcher started no sandbox: ${because}(${line || 'it ended without a word'}).`,
    known === undefined ? {} : { hint: known.hint },
  );
}

export function launcherMissing(path: string, cause?: unknown): RunyardError {
  return new RunyardError('sandbox_unavailable', `Cloud Run's launcher is not at ${path}.`, {
    hint: enableLauncher,
    cause,
  });
}
