import { RunyardError } from '../../contracts/errors.ts';
import type { RepositorySpec } from '../../contracts/repository.ts';
import type { CollectedFile, PlacedFile } from '../../contracts/sandbox.ts';
import type { RunError } from '../../contracts/task.ts';
import type { ProgramLayer } from '../program-layer.ts';
import type { RunContext } from '../run-context.ts';
import { cloneRepository, newFolderName } from './clone.ts';
import { catchCommits } from './commits.ts';
import { type GitOutcome, pushCommits } from './push.ts';
import { layTrees } from './trees.ts';
import { checkoutStep, commitStep, pathOfFile } from './workspace-steps.ts';

/** A repository that a run works on: fetched already, in need of a working tree. */
export interface RepositoryRun extends ProgramLayer {
  /** Where the caller's files wait until the working tree is there. */
  files(files: readonly PlacedFile[]): PlacedFile[];
  /** Takes a collected file that is the repository's own and no artifact. */
  take(file: CollectedFile): Promise<boolean>;
  /** What follows a run that succeeded. Never throws. */
  finish(): Promise<GitOutcome>;
  /** Gives back what `lay` did not take. Always called. */
  close(): Promise<void>;
}

/** Fetches the repository. Throws `git_error` or `egress_denied` with what is wrong. */
export async function openRepository(spec: RepositorySpec, context: RunContext): Promise<RepositoryRun> {
  const folder = newFolderName();
  const clone = await cloneRepository(spec, context);
  const { commit } = spec;
  if (commit?.push && (commit.branch ?? clone.branch) === undefined) {
    await clone.remove();
    throw new RunyardError('git_error', `${spec.ref} of ${spec.url} is no branch, so there is none to push to.`, {
      hint: 'Name one in repo.commit.branch.',
    });
  }
  const commits = catchCommits(folder);
  const steps = { own: 0 };
  return {
    stepsBefore: 1,
    files: (files) => files.map((file) => ({ ...file, path: pathOfFile(folder, file.path) })),
    around(program) {
      steps.own = program.steps.length;
      return {
        ...program,
        env: { ...ownFolder, ...program.env },
        steps: [
          checkoutStep(folder),
          ...program.steps,
          ...(commit === undefined ? [] : [commitStep({ folder, base: clone.sha, identity: clone.identity, commit })]),
        ],
        stdinStep: (program.stdinStep ?? program.steps.length - 1) + 1,
      };
    },
    lay: (place) => layTrees(clone, { spec, folder, place, context }),
    take: commits.take,
    endOfProgram(end, stderr) {
      if (end.lastStep === 0 && end.cause === 'exited') return { end, error: noWorkingTree(spec, stderr) };
      // The commit comes only after a program that has ended well.
      const hasEnded = commit !== undefined && end.cause === 'exited' && end.lastStep > steps.own;
      return { end: { ...end, lastStep: Math.max(0, end.lastStep - 1), ...(hasEnded ? { exitCode: 0 } : {}) } };
    },
    finish: async () => (commit === undefined ? {} : pushCommits({ ...spec, commit }, clone, commits, context)),
    close: clone.remove,
  };
}

// --- Internal helpers ---

/** Git trusts folders of its own user alone, and some walls show the workspace, with its submodules, as another's. */
const ownFolder = {
  GIT_CONFIG_COUNT: '1',
  GIT_CONFIG_KEY_0: 'safe.directory',
  GIT_CONFIG_VALUE_0: '*',
} as const;

function noWorkingTree({ url }: RepositorySpec, stderr: string): RunError {
  const last = stderr.trim().split('\n').at(-1)?.slice(0, 200) ?? '';
  return { code: 'git_error', message: `The files of ${url} could not be laid out. Git said: ${last}` };
}
