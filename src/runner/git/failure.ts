import { cleanText } from '../../contracts/clean-text.ts';
import { type ErrorCode, RunyardError } from '../../contracts/errors.ts';
import type { RepositorySpec } from '../../contracts/repository.ts';
import type { TaskRecord } from '../../contracts/task.ts';
import { statusOfEnd } from '../limits.ts';
import type { GitAnswer } from './git-wall.ts';
import { pathInWords } from './submodules.ts';

export interface GitAttempt {
  readonly spec: RepositorySpec;
  readonly task: TaskRecord;
  /** What was done with the repository, as in `could not be fetched`. */
  readonly doing: 'fetched' | 'pushed to';
}

/** Throws what went wrong in a wall of git, in our words: never a credential, and of a stranger's words one line at most. */
export function refuseFailed(answer: GitAnswer, attempt: GitAttempt): void {
  const { end, failure, denial } = answer;
  if (end.cause === 'exited' && end.exitCode === 0) return;
  const { error } = statusOfEnd(end, attempt.task);
  if (error !== undefined) {
    throw new RunyardError(error.code, `While ${attempt.spec.url} was ${attempt.doing}: ${error.message}`);
  }
  if (denial !== undefined) throw new RunyardError('egress_denied', `${attempt.spec.url}: ${denial}`);
  throw wordsOf(failure ?? '', answer, attempt);
}

// --- Internal helpers ---

function wordsOf(failure: string, { facts, stderr }: GitAnswer, { spec, doing }: GitAttempt): RunyardError {
  const known = ownWords[failure]?.(spec, facts);
  if (known !== undefined) return new RunyardError(...known);
  const sign = signs.find(({ pattern }) => pattern.test(stderr));
  if (sign !== undefined) return new RunyardError('git_error', sign.words(spec));
  const last = cleanText(withoutSecret(stderr, spec.secret)).trim().split('\n').at(-1)?.trim().slice(0, lineCharsMax);
  return new RunyardError('git_error', `${spec.url} could not be ${doing}${last ? `. Git said: ${last}` : '.'}`);
}

const lineCharsMax = 200;

function withoutSecret(text: string, secret: string | undefined): string {
  return secret ? text.replaceAll(secret, '***') : text;
}

/** What a `RunyardError` is made of. */
type Words = [code: ErrorCode, message: string, options?: { readonly hint: string }];

/** What our scripts find out themselves. */
const ownWords: Readonly<Record<string, (spec: RepositorySpec, facts: GitAnswer['facts']) => Words>> = {
  no_git: () => ['sandbox_unavailable', 'There is no git in the sandbox. Install git where the runner is.'],
  no_ssh: () => [
    'sandbox_unavailable',
    'There is no ssh in the sandbox. Install the OpenSSH client where the runner is, or use the https address.',
  ],
  unknown_ref: ({ url, ref }) => ['git_error', `${url} has no branch, tag or commit ${ref ?? 'to begin with'}.`],
  empty: ({ url }) => ['git_error', `${url} is empty: it has no commit to begin with.`],
  lfs: ({ url }, facts) => [
    'git_error',
    `${pathInWords(Buffer.from(facts.get('lfs') ?? '', 'base64').toString('utf8'))} of ${url} lies in Git LFS, which is not fetched.`,
    { hint: 'Name a ref whose files lie in git itself, or bring the checked-out files as inputs.' },
  ],
  many_submodules: ({ url }) => ['git_error', `${url} names more submodules than are fetched for a run.`],
  base_gone: ({ url }) => ['git_error', `${url} no longer has the commit that the run began with.`],
  bad_pack: () => ['git_error', 'What the run committed is no sound part of a repository, so it was not pushed.'],
  moved: (spec) => ['git_error', movedOn(spec)],
  rebase: ({ url }) => ['git_error', `The commits could not be carried over to what ${url} has by now.`],
};

function movedOn({ url, commit }: RepositorySpec): string {
  return `The branch ${commit?.branch ?? ''} of ${url} has moved on meanwhile, so nothing was pushed. on_conflict can be rebase or force.`;
}

/** What git, ssh and the forges say, the most telling first. */
const signs: readonly { readonly pattern: RegExp; readonly words: (spec: RepositorySpec) => string }[] = [
  {
    pattern: /REMOTE HOST IDENTIFICATION HAS CHANGED/,
    words: ({ url }) => `The host key of ${url} is another one than the one that is known. Nothing was sent to it.`,
  },
  {
    pattern: /Host key verification failed|No \w+ host key is known/,
    words: ({ url }) =>
      `The host key of ${url} is not known, so nothing was sent to it. The operator can add it to known_hosts in RUNYARD_HOME.`,
  },
  {
    pattern: /Load key .*(invalid format|error in libcrypto|incorrect passphrase)/,
    words: () =>
      'The secret in repo.secret is no private key that ssh can read. A key with a passphrase cannot be used.',
  },
  {
    pattern: /could not read (Username|Password)/,
    words: ({ url, secret }) =>
      secret === undefined
        ? `${url} is not there, or wants a credential: name its reference in repo.secret.`
        : `${url} did not take the credential in repo.secret.`,
  },
  {
    pattern: /Authentication failed|Permission denied \(|returned error: 40[13]|HTTP Basic: Access denied/,
    words: ({ url, secret }) =>
      secret === undefined
        ? `${url} wants a credential: name its reference in repo.secret.`
        : `${url} did not take the credential in repo.secret, or it may not do this.`,
  },
  {
    pattern: /stale info|\[rejected\]|fetch first|non-fast-forward/,
    words: (spec) => movedOn(spec),
  },
  {
    pattern: /\[remote rejected\]|pre-receive hook declined|protected branch/,
    words: ({ url, commit }) =>
      `${url} refused the push to ${commit?.branch ?? 'the branch'}: its own rules decline it.`,
  },
  {
    pattern:
      /not found|does not exist|does not appear to be a git repository|returned error: 404|Could not read from remote/,
    words: ({ url }) => `There is no repository ${url}, or the credential may not see it.`,
  },
  {
    pattern: /SSL certificate|certificate verif|server certificate/i,
    words: ({ url }) => `The TLS certificate of ${url} is not one that can be trusted here.`,
  },
  {
    pattern:
      /tunnel failed|from proxy after CONNECT|tunnel refused|SOCKS|timed out|Connection (reset|refused|closed)|early EOF|unexpected disconnect|too slow|Failed to connect|hung up/i,
    words: ({ url }) => `The host of ${url} could not be reached, or the connection broke off.`,
  },
];
