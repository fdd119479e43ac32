import { RunyardError } from '../../contracts/errors.ts';

export const installBubblewrap =
  'Install it: "sudo apt-get install bubblewrap" (Debian, Ubuntu), "sudo dnf install bubblewrap" (Fedora), "sudo apk add bubblewrap" (Alpine).';

/** What bwrap or the kernel says, why, and what to do. The first that fits counts. */
const causes: readonly { readonly says: RegExp; readonly because: string; readonly hint: string }[] = [
  {
    says: /nesting depth|max_\*_namespaces|ENOSPC/,
    because: 'this machine allows no more user namespaces',
    hint: 'Run "sudo sysctl -w user.max_user_namespaces=15000", or start Runyard outside of nested containers.',
  },
  {
    says: /No permissions to create new namespace|kernel does not allow non-privileged user namespaces/,
    because: 'this machine does not let ordinary programs make user namespaces',
    hint: 'Run "sudo sysctl -w kernel.unprivileged_userns_clone=1". Inside Docker: "--security-opt seccomp=unconfined".',
  },
  {
    says: /setting up uid map: Permission denied/,
    because: 'AppArmor keeps bwrap from making a user namespace (Ubuntu 24.04 and later)',
    hint: 'Run "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0", or install an AppArmor profile for /usr/bin/bwrap.',
  },
  {
    says: /setting up uid map: Operation not permitted/,
    because: 'Runyard is root without the capabilities of root',
    hint: 'Start Runyard as an ordinary user.',
  },
  {
    says: /Can't mount proc on/,
    because: 'a container around Runyard hides parts of /proc, so no new one can be mounted',
    hint: 'Docker: "--security-opt systempaths=unconfined".',
  },
  {
    says: /Resource temporarily unavailable/,
    because: 'the limit on processes outside of the wall is met',
    hint: 'Raise "ulimit -u" for the user who starts Runyard, or run fewer tasks at once.',
  },
  {
    says: /disable-userns|as-pid-1|Unknown option|seccomp/,
    because: 'this bubblewrap is too old',
    hint: 'Runyard needs bubblewrap 0.8 or newer. Newer distributions have it.',
  },
  {
    says: /Unexpected capabilities but not setuid/,
    because: 'Runyard hands bwrap capabilities that it does not expect',
    hint: 'Start Runyard without ambient capabilities.',
  },
];

/** `sandbox_unavailable` in our words, with bwrap's own last line where none of ours fits. */
export function bwrapFailure(stderr: string): RunyardError {
  const line = stderr.trim().split('\n').at(-1) ?? '';
  const known = causes.find(({ says }) => says.test(stderr));
  if (known === undefined) {
    return new RunyardError(
      'sandbox_unavailable',
      `The wall could not be built: ${line || 'bwrap ended without a word'}.`,
    );
  }
  return new RunyardError('sandbox_unavailable', `The wall could not be built: ${known.because} (${line}).`, {
    hint: known.hint,
  });
}

export function bwrapMissing(cause?: unknown): RunyardError {
  return new RunyardError('sandbox_unavailable', 'The program bwrap (bubblewrap) is not installed.', {
    hint: installBubblewrap,
    cause,
  });
}
