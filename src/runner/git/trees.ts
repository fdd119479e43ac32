import { asRunyardError, RunyardError } from '../../contracts/errors.ts';
import { haveOneOwner, type RepositorySpec } from '../../contracts/repository.ts';
import type { Wall } from '../../contracts/sandbox.ts';
import type { RunContext } from '../run-context.ts';
import { type Clone, cloneRepository, repositoryBytesMax } from './clone.ts';
import { pathInWords, type Submodule } from './submodules.ts';

/** Whose trees are laid, and where. */
export interface Laying {
  readonly spec: RepositorySpec;
  readonly folder: string;
  readonly place: Wall['place'];
  readonly context: RunContext;
}

/**
 * Lays the repository and all its submodules below `folder`, where `checkoutStep` finds them. Each submodule is fetched as
 * a repository of its own: one wall of git at a time beside the run's. Throws like `cloneRepository`.
 */
export async function layTrees(top: Clone, { spec, folder, place, context }: Laying): Promise<void> {
  const trees: Tree[] = [];
  const room = { bytes: repositoryBytesMax };
  const layTree = async (clone: Clone, tree: Tree) => {
    room.bytes -= await clone.lay(place, `${folder}/${trees.length}`, room.bytes).finally(clone.remove);
    trees.push(tree);
    for (const { path, sha, url } of clone.submodules) {
      if (trees.length > submodulesMax) throw new RunyardError('git_error', tooMany(spec));
      const inner = await cloneSubmodule(spec, { path, sha, url, within: tree.url }, context);
      await layTree(inner, { path: `${tree.path}/${path}`, sha, branch: undefined, url });
    }
  };
  await layTree(top, { path: '.', sha: top.sha, branch: top.branch, url: spec.url });
  const words = trees.flatMap(({ path, sha, branch = '', url }) => [path, sha, branch, url]);
  await place([{ path: `${folder}/trees`, content: Buffer.from(words.map((word) => `${word}\0`).join('')) }]);
}

// --- Internal helpers ---

/** A working tree that is to be. */
interface Tree {
  /** Relative to the workspace. */
  readonly path: string;
  readonly sha: string;
  readonly branch: string | undefined;
  readonly url: string;
}

const submodulesMax = 64;

function tooMany({ url }: RepositorySpec): string {
  return `${url} has more submodules than the ${submodulesMax} that are fetched for a run.`;
}

/** Whoever writes to a repository says what its submodules are: its credential reads what is of the same owner alone. */
async function cloneSubmodule(
  top: RepositorySpec,
  { path, sha, url, within }: Submodule & { readonly within: string },
  context: RunContext,
): Promise<Clone> {
  const isTrusted = haveOneOwner(top.url, url);
  const { secret, ...open } = { ...top, url, ref: sha };
  const words = (why: string) => `The submodule ${pathInWords(path)} of ${within} cannot be had. ${why}`;
  if (!isTrusted && !/^https?:/.test(url)) {
    throw new RunyardError('git_error', words(`${url} is of another owner, and ssh needs a key.`), {
      hint: otherOwner,
    });
  }
  try {
    return await cloneRepository(isTrusted && secret !== undefined ? { ...open, secret } : open, context);
  } catch (error) {
    if (context.stop.aborted) throw error;
    const { code, message, hint: usual } = asRunyardError(error);
    const hint = isTrusted || secret === undefined ? usual : otherOwner;
    throw new RunyardError(code, words(message), { hint, cause: error });
  }
}

const otherOwner = 'Where a submodule is of another owner it is asked for without repo.secret.';
