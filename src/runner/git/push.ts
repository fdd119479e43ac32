import type { Artifact } from '../../contracts/artifact.ts';
import { asRunyardError } from '../../contracts/errors.ts';
import {
  type CommitSpec,
  type GitResult,
  patchPath,
  type RepositorySpec,
  runMark,
} from '../../contracts/repository.ts';
import type { RunError } from '../../contracts/task.ts';
import type { RunContext } from '../run-context.ts';
import { type Clone, jobOf } from './clone.ts';
import { type Commits, type CommitsLeft, keepPatch } from './commits.ts';
import { refuseFailed } from './failure.ts';
import { inGitWall } from './git-wall.ts';
import { pushScript } from './push-script.ts';

export interface GitOutcome {
  readonly git?: GitResult;
  readonly error?: RunError;
  /** The commit, where it was not pushed. */
  readonly patch?: Artifact;
  /** Sentences that hold whichever error the run ends with. */
  readonly besides?: readonly string[];
}

/**
 * Pushes what the run committed, where that is wanted, and keeps it where it was not pushed. Never throws: what goes wrong
 * is told beside the rest of the result.
 */
export async function pushCommits(
  spec: SpecWithCommit,
  clone: Clone,
  commits: Commits,
  context: RunContext,
): Promise<GitOutcome> {
  const { left, reason } = commits;
  if (left === undefined) return { error: notCommitted(reason) };
  const branch = spec.commit.branch?.replaceAll(runMark, String(context.run)) ?? clone.branch;
  const named = branch === undefined ? {} : { branch };
  if (left.pack === undefined) {
    context.events.note('phase', 'nothing was changed, so there is nothing to commit');
    const git = { sha: clone.sha, ...named, pushed: false, diffStat: { files: 0, insertions: 0, deletions: 0 } };
    return withBeyond({ git }, left);
  }
  const outcome = await carryOut(
    { ...spec, commit: { ...spec.commit, ...named } },
    clone,
    { ...left, pack: left.pack },
    context,
  );
  return outcome.git?.pushed ? outcome : withPatch(withBeyond(outcome, left), left, context);
}

// --- Internal helpers ---

type SpecWithCommit = RepositorySpec & { readonly commit: CommitSpec };

function notCommitted(reason: string): RunError {
  const why =
    reason === ''
      ? ' It did not come out of the sandbox: output is no folder, or too much was kept besides.'
      : ` Git said: ${reason}`;
  return { code: 'git_error', message: `The changes could not be committed.${why}` };
}

function withBeyond(outcome: GitOutcome, { beyond }: CommitsLeft): GitOutcome {
  if (beyond.length === 0 || outcome.error !== undefined) return outcome;
  const more = beyond.length === 1 ? '' : ` So it is with ${beyond.length - 1} more.`;
  const message = `${beyond[0]}${more} Nothing was pushed.`;
  return { ...outcome, error: { code: 'git_error', message } };
}

async function withPatch(outcome: GitOutcome, left: CommitsLeft, context: RunContext): Promise<GitOutcome> {
  const kept = await keepPatch(left, context);
  if ('error' in kept) {
    const besides = [...(outcome.besides ?? []), kept.error.message];
    return outcome.error === undefined ? { ...outcome, error: kept.error } : { ...outcome, besides };
  }
  const besides = [...(outcome.besides ?? []), `The commit is kept as ${patchPath}.`];
  return { ...outcome, patch: kept.artifact, besides };
}

async function carryOut(
  spec: SpecWithCommit,
  { sha: base, branch: source = '', identity }: Clone,
  { tip, pack, beyond }: CommitsLeft & { readonly pack: Uint8Array },
  context: RunContext,
): Promise<GitOutcome> {
  const { branch, onConflict } = spec.commit;
  const push = spec.commit.push && beyond.length === 0;
  context.events.note('phase', push ? `push to ${branch} begins` : 'the commit is checked');
  const named = branch === undefined ? {} : { branch };
  const env = {
    ...{ BASE: base, TIP: tip, SOURCE: source, BRANCH: branch ?? '', DEPTH: String(spec.depth) },
    ...{ PUSH: push ? 'yes' : 'no', ON_CONFLICT: onConflict },
    ...{ GIT_COMMITTER_NAME: identity.name, GIT_COMMITTER_EMAIL: identity.email },
  };
  try {
    const { answer, remove } = await inGitWall(
      { ...jobOf(spec), script: pushScript, env, files: piecesOf(pack) },
      context,
    );
    context.afterwards(remove);
    const git: GitResult = { ...factsOf(answer.facts, tip), ...named };
    try {
      refuseFailed(answer, { spec, task: context.task, doing: 'pushed to' });
      return { git };
    } catch (error) {
      return { git, error: errorOf(error), besides: doubtsOf(answer.facts, spec) };
    }
  } catch (error) {
    return { git: { sha: tip, pushed: false, ...named }, error: errorOf(error) };
  }
}

/** What is not known of a push that was cut off. */
function doubtsOf(facts: ReadonlyMap<string, string>, { url, commit }: SpecWithCommit): string[] {
  if (facts.get('push') !== 'begun' || facts.has('pushed')) return [];
  return [`The push had begun, and whether ${commit.branch} of ${url} was moved is not known.`];
}

function errorOf(error: unknown): RunError {
  const { code, message } = asRunyardError(error);
  return { code, message };
}

function factsOf(facts: ReadonlyMap<string, string>, tip: string): GitResult {
  const [files, insertions, deletions] = ['files', 'insertions', 'deletions'].map((name) => Number(facts.get(name)));
  const sha = facts.get('sha');
  if (sha === undefined) return { sha: tip, pushed: false };
  return {
    sha,
    pushed: facts.get('pushed') === 'yes',
    diffStat: { files: files ?? 0, insertions: insertions ?? 0, deletions: deletions ?? 0 },
  };
}

const pieceBytes = 4 * 1024 ** 2;

function piecesOf(pack: Uint8Array) {
  const count = Math.max(1, Math.ceil(pack.length / pieceBytes));
  return Array.from({ length: count }, (_, index) => ({
    path: `pack/${String(index).padStart(6, '0')}`,
    content: pack.subarray(index * pieceBytes, (index + 1) * pieceBytes),
  }));
}
