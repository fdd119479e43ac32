import { randomBytes } from 'node:crypto';
import { RunyardError } from '../../contracts/errors.ts';
import { parseRepositoryUrl, type RepositoryAddress, type RepositorySpec } from '../../contracts/repository.ts';
import type { CollectedFile, PlacedFile, Wall } from '../../contracts/sandbox.ts';
import type { RunContext } from '../run-context.ts';
import { cloneScript } from './clone-script.ts';
import { refuseFailed } from './failure.ts';
import { type GitJob, inGitWall } from './git-wall.ts';
import { type Identity, identityOf } from './identity.ts';
import { type Submodule, submodulesOf } from './submodules.ts';

/** A repository that was fetched and waits in a wall of its own, packed. */
export interface Clone {
  /** The commit that the run begins from. */
  readonly sha: string;
  /** Undefined where a tag or a commit was asked for. */
  readonly branch: string | undefined;
  /** Whose commits are made on it. */
  readonly identity: Identity;
  /** Commits of other repositories in its tree. */
  readonly submodules: readonly Submodule[];
  /** Places it in pieces below `folder` of a wall; gives its bytes. Throws `git_error` where they are more than `bytesMax`. */
  lay(place: Wall['place'], folder: string, bytesMax: number): Promise<number>;
  /** Always called. */
  remove(): Promise<void>;
}

/** The parts of a job that are the repository's own. */
export function jobOf(
  spec: RepositorySpec,
): Pick<GitJob, 'address' | 'credential' | 'isAllowed' | 'knownHosts'> & { readonly address: RepositoryAddress } {
  const address = parseRepositoryUrl(spec.url);
  if (typeof address === 'string') throw new RunyardError('invalid_request', `repo.url: ${address}`);
  const { isAllowed = false, knownHosts = '' } = spec.operator ?? {};
  return { address, credential: spec.secret, isAllowed, knownHosts };
}

/** A name for what lies in a workspace only until untrusted code begins, and again after it has ended. */
export function newFolderName(): string {
  return `.runyard-${randomBytes(8).toString('hex')}`;
}

/** Fetches the repository. Throws `git_error` or `egress_denied` with what is wrong, and then leaves nothing behind. */
export async function cloneRepository(spec: RepositorySpec, context: RunContext): Promise<Clone> {
  context.events.note('phase', `clone of ${spec.url} begins`);
  const env = { REF: spec.ref ?? '', DEPTH: String(spec.depth) };
  const { answer, collect, remove } = await inGitWall({ ...jobOf(spec), script: cloneScript, env }, context);
  try {
    refuseFailed(answer, { spec, task: context.task, doing: 'fetched' });
    return {
      sha: answer.facts.get('sha') ?? '',
      branch: answer.facts.get('branch'),
      identity: identityOf(answer.facts),
      submodules: submodulesOf(answer.facts, spec, context),
      async lay(place, folder, bytesMax) {
        const laid = { bytes: 0 };
        const { skipped } = await collect({
          select: async (paths) => paths.filter((path) => repositoryFile.test(path)),
          maxFiles: 16,
          maxBytes: bytesMax,
          onFile: async (file) => {
            laid.bytes += file.sizeBytes;
            await placePieces(file, place, folder);
          },
        });
        if (skipped > 0) throw new RunyardError('git_error', tooLarge(spec));
        return laid.bytes;
      },
      remove,
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** Of a repository and its submodules; the rest of the workspace is left for the working tree. */
export const repositoryBytesMax = 2 * 1024 ** 3;

// --- Internal helpers ---

const repositoryFile = /^repository\/\.git\/(objects\/pack\/pack-[0-9a-f]+\.(pack|idx)|shallow|packed-refs)$/;

function tooLarge({ url }: RepositorySpec): string {
  return `${url} and what it holds is larger than ${repositoryBytesMax / 1024 ** 3} GiB: ask for less of its history with repo.depth.`;
}

/** Small enough that no wall holds much of a repository in memory at once. */
const pieceBytes = 4 * 1024 ** 2;

/** Each file becomes a folder of numbered pieces, so that none is ever held whole. */
async function placePieces({ path, content }: CollectedFile, place: Wall['place'], folder: string): Promise<void> {
  const to = `${folder}/${path.slice('repository/'.length)}`;
  const state = { pieces: 0, waiting: [] as Uint8Array[], bytes: 0 };
  const flush = async () => {
    const file: PlacedFile = {
      path: `${to}/${String(state.pieces).padStart(6, '0')}`,
      content: Buffer.concat(state.waiting),
    };
    Object.assign(state, { pieces: state.pieces + 1, waiting: [], bytes: 0 });
    await place([file]);
  };
  for await (const chunk of content) {
    state.waiting.push(chunk);
    state.bytes += chunk.length;
    if (state.bytes >= pieceBytes) await flush();
  }
  if (state.bytes > 0 || state.pieces === 0) await flush();
}
