import type { Artifact } from '../../contracts/artifact.ts';
import { asRunyardError } from '../../contracts/errors.ts';
import type { RepositorySpec } from '../../contracts/repository.ts';
import type { KillReason } from '../../contracts/sandbox.ts';
import { neverBegun, type RunError, type RunStatus } from '../../contracts/task.ts';
import type { RepositoryRun } from '../git/repository-run.ts';
import { stopped } from '../limits.ts';
import type { RunContext, RunOutcome } from '../run-context.ts';

/** Runs on a repository. One that cannot be had ends the run before it has cost anything. */
export async function onRepository(
  repo: RepositorySpec,
  context: RunContext,
  run: (repository: RepositoryRun) => Promise<RunOutcome>,
): Promise<RunOutcome> {
  const state: { repository: RepositoryRun | undefined; isLaid: boolean } = { repository: undefined, isLaid: false };
  try {
    const { openRepository } = await import('../git/repository-run.ts');
    const repository = await openRepository(repo, context);
    state.repository = repository;
    const lay: RepositoryRun['lay'] = async (place) => {
      await repository.lay(place);
      state.isLaid = true;
    };
    return await run({ ...repository, lay });
  } catch (error) {
    if (state.isLaid) throw error;
    context.warn(error, 'the repository could not be had');
    return withoutRepository(error, context);
  } finally {
    // Whatever becomes of its wall: what the run has said and cost stands.
    await state.repository
      ?.close()
      .catch((error) => context.warn(error, 'the wall of a repository could not be removed'));
  }
}

/** The outcome with what became of the repository. A run that has succeeded so far fails where its commit does. */
export async function withCommit(
  outcome: RunOutcome,
  repository: RepositoryRun | undefined,
  context: RunContext,
): Promise<RunOutcome> {
  if (repository === undefined || outcome.status !== 'succeeded') return outcome;
  const { git, error, patch, besides = [] } = await repository.finish();
  const told = {
    ...outcome,
    ...(git === undefined ? {} : { git }),
    ...(patch === undefined ? {} : { artifacts: inOrder([...outcome.artifacts, patch]) }),
  };
  if (error === undefined) return told;
  const end = endOf(error, context);
  return { ...told, ...end, error: { ...end.error, message: [end.error.message, ...besides].join(' ') } };
}

// --- Internal helpers ---

function inOrder(artifacts: readonly Artifact[]): Artifact[] {
  return artifacts.toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

function withoutRepository(error: unknown, context: RunContext): RunOutcome {
  const { code, message, hint } = asRunyardError(error);
  return {
    ...endOf({ code, message: `${message} ${hint}` }, context),
    exitCode: null,
    stdout: '',
    stderr: '',
    truncated: false,
    artifacts: [],
    sandbox: { technology: context.sandbox.technology, network: 'none' },
    claude: neverBegun,
  };
}

/** Whatever fails in a run that was stopped fails because it was stopped. */
function endOf(error: RunError, { stop, task }: RunContext): { status: RunStatus; error: RunError } {
  return stop.aborted ? stopped(stop.reason as KillReason, task) : { status: 'failed', error };
}
