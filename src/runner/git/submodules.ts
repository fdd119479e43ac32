import { cleanText } from '../../contracts/clean-text.ts';
import { RunyardError } from '../../contracts/errors.ts';
import { parseRepositoryUrl, type RepositorySpec, urlBeside } from '../../contracts/repository.ts';
import type { RunContext } from '../run-context.ts';

/** A commit of another repository within a tree. */
export interface Submodule {
  readonly path: string;
  readonly sha: string;
  /** On the host of the repository that names it. */
  readonly url: string;
}

/** What a clone has found in its tree, as `clone-script.ts` tells it. Throws `git_error` for one that cannot be had. */
export function submodulesOf(
  facts: ReadonlyMap<string, string>,
  spec: RepositorySpec,
  context: RunContext,
): Submodule[] {
  const named = new Map(namesOf(partsOf(decoded(facts.get('modules')))));
  return partsOf(decoded(facts.get('links'))).flatMap((entry) => {
    const [, sha, path] = /^160000 commit ([0-9a-f]+)\t(.+)$/s.exec(entry) ?? [];
    if (sha === undefined || path === undefined) return [];
    const text = named.get(path);
    if (text !== undefined) return [{ path, sha, url: reachable(spec, path, text) }];
    context.events.note(
      'phase',
      `${pathInWords(path)} is a commit of a repository that nobody names: its folder is empty here`,
    );
    return [];
  });
}

/** A stranger's path, on one line of a sentence. */
export function pathInWords(path: string): string {
  return cleanText(path).replace(/\s+/g, ' ').slice(0, 200);
}

/** What stands between NULs. */
export function partsOf(text: string): string[] {
  return text.split('\0').filter((part) => part !== '');
}

// --- Internal helpers ---

function decoded(base64 = ''): string {
  return Buffer.from(base64, 'base64').toString('utf8');
}

function reachable({ url }: RepositorySpec, path: string, text: string): string {
  const address = parseRepositoryUrl(url);
  const beside = typeof address === 'string' ? undefined : urlBeside(address, text);
  if (beside !== undefined) return beside;
  const other = parseRepositoryUrl(text);
  const where = typeof other === 'string' ? 'at an address that cannot be used here' : `on ${other.host}`;
  throw new RunyardError('git_error', `The submodule ${pathInWords(path)} of ${url} lies ${where}.`, {
    hint: 'Only what lies on the host of the repository itself is fetched. Name a ref without it, or bring the checked-out files as inputs.',
  });
}

/** URLs by path. Git itself takes the last of several. */
function namesOf(settings: readonly string[]): [string, string][] {
  const values = new Map(
    settings.flatMap((setting) => {
      const [, name, key, value] = /^submodule\.(.+)\.(path|url)\n(.*)$/s.exec(setting) ?? [];
      return name === undefined ? [] : [[`${key} ${name}`, value ?? ''] as const];
    }),
  );
  return [...values].flatMap(([key, path]) => {
    const url = key.startsWith('path ') ? values.get(`url ${key.slice('path '.length)}`) : undefined;
    return url === undefined ? [] : [[path, url]];
  });
}
