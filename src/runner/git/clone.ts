import { randomBytes } from 'node:crypto';
import { RunyardError } from '../../contracts/errors.ts';
import { parseRepositoryUrl, type RepositoryAddress, type RepositorySpec } from '../../contracts/repository.ts';
import type { CollectedFile, PlacedFile, Wall } from '../../contracts/sandbox.ts';
import type { RunContext } from '../run-context.ts';
import { cloneScript } from './clone-script.ts';
import { refuseFailed } from './failure.ts';
import { type GitJob, inGitWall } from './git-wall.ts';

/** A repository that was fetched and waits in a wall of its own, packed. */
export interface Clone {
  /** The commit that the run begins from. */
  readonly sha: string;
  /** Undefined where a tag or a commit was asked for. */
  readonly branch: string | undefined;
  /** Places it in pieces below `folder` of the run's wall, where `checkoutStep` finds it. */
  lay(place: Wall['place'], folder: string): Promise<void>;
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
  } catch (error) {
    await remove();
    throw error;
  }
  tellLeftOut(answer.facts, context);
  return {
    sha: answer.facts.get('sha') ?? '',
    branch: answer.facts.get('branch'),
    async lay(place, folder) {
      const { skipped } = await collect({
        select: async (paths) => paths.filter((path) => repositoryFile.test(path)),
        maxFiles: 16,
        maxBytes: repositoryBytesMax,
        onFile: (file) => placePieces(file, place, folder),
      });
      if (skipped > 0) throw new RunyardError('git_error', tooLarge(spec));
    },
    remove,
  };
}

// --- Internal helpers ---

/** The rest of the workspace is left for the working tree. */
const repositoryBytesMax = 2 * 1024 ** 3;
const repositoryFile = /^repository\/\.git\/(objects\/pack\/pack-[0-9a-f]+\.(pack|idx)|shallow|packed-refs)$/;

function tooLarge({ url }: RepositorySpec): string {
  return `${url} is larger than ${repositoryBytesMax / 1024 ** 3} GiB: ask for less of its history with repo.depth.`;
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

function tellLeftOut(facts: ReadonlyMap<string, string>, { events }: RunContext): void {
  if (facts.has('submodules')) events.note('phase', 'the repository has submodules: their folders are empty here');
  if (facts.has('lfs')) events.note('phase', 'the repository uses Git LFS: its large files are pointers here');
}
