import { asRunyardError, RunyardError } from '../../contracts/errors.ts';
import type { RepositorySpec } from '../../contracts/repository.ts';
import type { Wall } from '../../contracts/sandbox.ts';
import type { RunContext } from '../run-context.ts';
import { type Clone, cloneRepository, repositoryBytesMax } from './clone.ts';
import { pathInWords } from './submodules.ts';

/** Whose trees are laid, and where. */
export interface Laying {
  readonly spec: RepositorySpec;
  readonly folder: string;
  readonly place: Wall['place'];
  readonly context: RunContext;
}

/**
 * Lays the repository and all its submodules below `folder`, where `checkoutStep` finds them. Each submodule is fetched as
 * a repository of its own, with the credential of the one that names it: one wall of git at a time beside the run's.
 * Throws like `cloneRepository`.
 */
export async function layTrees(top: Clone, { spec, folder, place, context }: Laying): Promise<void> {
  const trees: Tree[] = [];
  const room = { bytes: repositoryBytesMax };
  const layTree = async (clone: Clone, tree: Tree) => {
    room.bytes -= await clone.lay(place, `${folder}/${trees.length}`, room.bytes).finally(clone.remove);
    trees.push(tree);
    for (const { path, sha, url } of clone.submodules) {
      if (trees.length > submodulesMax) throw new RunyardError('git_error', tooMany(spec));
      const inner = await cloneSubmodule({ ...spec, url, ref: sha }, { path, within: tree.url }, context);
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

async function cloneSubmodule(
  spec: RepositorySpec,
  { path, within }: { readonly path: string; readonly within: string },
  context: RunContext,
): Promise<Clone> {
  try {
    return await cloneRepository(spec, context);
  } catch (error) {
    if (context.stop.aborted) throw error;
    const { code, message, hint } = asRunyardError(error);
    const words = `The submodule ${pathInWords(path)} of ${within} cannot be had. ${message}`;
    throw new RunyardError(code, words, { hint, cause: error });
  }
}
