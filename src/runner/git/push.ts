import { cleanText } from '../../contracts/clean-text.ts';
import { asRunyardError } from '../../contracts/errors.ts';
import type { CommitSpec, GitResult, RepositorySpec } from '../../contracts/repository.ts';
import type { CollectedFile } from '../../contracts/sandbox.ts';
import type { RunError } from '../../contracts/task.ts';
import type { RunContext } from '../run-context.ts';
import { type Clone, jobOf } from './clone.ts';
import { refuseFailed } from './failure.ts';
import { inGitWall } from './git-wall.ts';
import { pushScript } from './push-script.ts';
import { identity } from './workspace-steps.ts';

/** What `commitStep` left, as a stranger's data. */
export interface Commits {
  /** Takes a file that is the step's own; false for any other. */
  take(file: CollectedFile): Promise<boolean>;
  /** The last commit, and the pack of all that are new; no pack where nothing was changed. Undefined where it failed. */
  readonly left: { readonly tip: string; readonly pack: Uint8Array | undefined } | undefined;
  /** What git said last, where it failed. */
  readonly reason: string;
}

/** More than this in one push is what most forges refuse in any case. */
const packBytesMax = 100 * 1024 ** 2;

export function catchCommits(folder: string): Commits {
  const own = `output/${folder}/`;
  const state: { left: Commits['left']; reason: string } = { left: undefined, reason: '' };
  return {
    get left() {
      return state.left;
    },
    get reason() {
      return state.reason;
    },
    async take({ path, content, sizeBytes }) {
      if (!path.startsWith(own)) return false;
      const [, tip, kind] = /^([0-9a-f]{40}|[0-9a-f]{64})\.(pack|same)$/.exec(path.slice(own.length)) ?? [];
      const isLog = path === `${own}log`;
      const most = kind === 'pack' ? packBytesMax : isLog ? logBytesMax : 0;
      const chunks: Uint8Array[] = [];
      for await (const chunk of content) if (sizeBytes <= most) chunks.push(chunk);
      if (isLog) state.reason ||= lastLine(Buffer.concat(chunks).toString('utf8'));
      if (tip !== undefined && sizeBytes > most)
        state.reason = `the commit is larger than ${packBytesMax / 1024 ** 2} MiB`;
      else if (tip !== undefined) state.left = { tip, pack: kind === 'pack' ? Buffer.concat(chunks) : undefined };
      return true;
    },
  };
}

export interface GitOutcome {
  readonly git?: GitResult;
  readonly error?: RunError;
}

/** Pushes what the run committed, where that is wanted. Never throws: what goes wrong is told beside the rest of the result. */
export async function pushCommits(
  spec: RepositorySpec & { readonly commit: CommitSpec },
  clone: Clone,
  commits: Commits,
  context: RunContext,
): Promise<GitOutcome> {
  const branch = spec.commit.branch ?? clone.branch;
  if (commits.left === undefined) {
    const reason = commits.reason === '' ? '' : ` Git said: ${commits.reason}`;
    return { error: { code: 'git_error', message: `The changes could not be committed.${reason}` } };
  }
  const { tip, pack } = commits.left;
  const named = branch === undefined ? {} : { branch };
  if (pack === undefined) {
    context.events.note('phase', 'nothing was changed, so there is nothing to commit');
    return { git: { sha: clone.sha, ...named, pushed: false, diffStat: { files: 0, insertions: 0, deletions: 0 } } };
  }
  if (spec.commit.push && branch === undefined) {
    return {
      git: { sha: tip, pushed: false },
      error: { code: 'git_error', message: 'No branch was checked out: name one in repo.commit.branch.' },
    };
  }
  context.events.note('phase', spec.commit.push ? `push to ${branch} begins` : 'the commit is checked');
  return carryOut({ ...spec, commit: { ...spec.commit, ...named } }, clone, { tip, pack }, context);
}

// --- Internal helpers ---

async function carryOut(
  spec: RepositorySpec & { readonly commit: CommitSpec },
  { sha: base, branch: source = '' }: Clone,
  { tip, pack }: { readonly tip: string; readonly pack: Uint8Array },
  context: RunContext,
): Promise<GitOutcome> {
  const { branch, push, onConflict } = spec.commit;
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
      return { git, error: errorOf(error) };
    }
  } catch (error) {
    return { git: { sha: tip, pushed: false, ...named }, error: errorOf(error) };
  }
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

const logBytesMax = 64 * 1024;
const lineCharsMax = 200;

function lastLine(text: string): string {
  return cleanText(text).trim().split('\n').at(-1)?.trim().slice(0, lineCharsMax) ?? '';
}
