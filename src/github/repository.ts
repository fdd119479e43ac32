import { RunyardError } from '../contracts/errors.ts';

export interface Repository {
  readonly owner: string;
  readonly name: string;
}

const ownerPattern = /^[A-Za-z0-9][A-Za-z0-9_-]{0,38}$/;
const namePattern = /^[A-Za-z0-9._-]{1,100}$/;

/**
 * The two halves of `owner/name`. Strict, because they become parts of a path.
 * Throws `invalid_request`.
 */
export function parseRepository(repo: string): Repository {
  const [owner = '', name = '', ...rest] = repo.split('/');
  const valid = rest.length === 0 && ownerPattern.test(owner) && namePattern.test(name) && !/^\.{1,2}$/.test(name);
  if (!valid) {
    throw new RunyardError(
      'invalid_request',
      `repo: ${JSON.stringify(repo.slice(0, 150))} is not of the form owner/name.`,
      {
        hint: 'Give the repository as owner/name, such as "octocat/hello-world".',
      },
    );
  }
  return { owner, name };
}

/** Throws `forbidden` where there is a list and it names neither the repository nor `owner/*`. */
export function checkAllowed({ owner, name }: Repository, allowed: readonly string[] | undefined): void {
  if (allowed === undefined) return;
  const list = new Set(allowed.map((entry) => entry.toLowerCase()));
  if (list.has(`${owner}/${name}`.toLowerCase()) || list.has(`${owner}/*`.toLowerCase())) return;
  throw new RunyardError('forbidden', `Issues may not be created in ${owner}/${name}.`, {
    hint: 'The operator of this Runyard lists the allowed repositories in RUNYARD_GITHUB_REPOS.',
  });
}
