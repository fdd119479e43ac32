import type { Artifact } from '../../contracts/artifact.ts';
import { cleanText } from '../../contracts/clean-text.ts';
import { asRunyardError } from '../../contracts/errors.ts';
import { patchPath } from '../../contracts/repository.ts';
import type { CollectedFile } from '../../contracts/sandbox.ts';
import type { RunError } from '../../contracts/task.ts';
import type { RunContext } from '../run-context.ts';
import { partsOf, pathInWords } from './submodules.ts';
import { patchBytesMax } from './workspace-steps.ts';

/** What `commitStep` left, as a stranger's data. */
export interface Commits {
  /** Takes a file that is the step's own; false for any other. */
  take(file: CollectedFile): Promise<boolean>;
  /** Undefined where it failed. */
  readonly left: CommitsLeft | undefined;
  /** What git said last, where it failed. */
  readonly reason: string;
}

export interface CommitsLeft {
  /** The last commit. */
  readonly tip: string;
  /** All that is new; undefined where nothing was changed. */
  readonly pack: Uint8Array | undefined;
  /** The same for people; undefined where it is too large, or could not be made. */
  readonly patch: Uint8Array | undefined;
  /** What was changed and no commit can carry: a sentence for each. */
  readonly beyond: readonly string[];
}

/** More than this in one push is what most forges refuse in any case. */
const packBytesMax = 100 * 1024 ** 2;

export function catchCommits(folder: string): Commits {
  const own = `output/${folder}/`;
  const caught = new Map<string, Buffer>();
  const state = { reason: '' };
  return {
    get left() {
      const [name = '', pack] = [...caught].find(([name]) => ofTip.test(name)) ?? [];
      const [, tip, kind] = ofTip.exec(name) ?? [];
      if (tip === undefined) return undefined;
      const beyond = partsOf(String(caught.get('beyond') ?? '')).map(beyondInWords);
      return { tip, pack: kind === 'pack' ? pack : undefined, patch: caught.get('patch'), beyond };
    },
    get reason() {
      return state.reason || lastLine(String(caught.get('log') ?? ''));
    },
    async take({ path, content, sizeBytes }) {
      if (!path.startsWith(own)) return false;
      const name = path.slice(own.length);
      const most = bytesMaxOf(name);
      const chunks: Uint8Array[] = [];
      for await (const chunk of content) if (sizeBytes <= most) chunks.push(chunk);
      if (sizeBytes <= most) caught.set(name, Buffer.concat(chunks));
      else if (name.endsWith('.pack')) state.reason = `the commit is larger than ${packBytesMax / 1024 ** 2} MiB`;
      return true;
    },
  };
}

/** The commit as an artifact, for whoever wants to apply it by hand. Never throws. */
export async function keepPatch(
  { patch }: CommitsLeft,
  context: RunContext,
): Promise<{ readonly artifact: Artifact } | { readonly error: RunError }> {
  if (patch === undefined) {
    const message = `The commit could not be kept as ${patchPath}: that would be larger than ${patchBytesMax / 1024 ** 2} MiB, or could not be made.`;
    return { error: { code: 'git_error', message } };
  }
  try {
    const file = { path: patchPath, sizeBytes: patch.length, content: once(patch) };
    return { artifact: await context.keepArtifact(file) };
  } catch (error) {
    context.warn(error, 'a commit could not be kept');
    const { code, message } = asRunyardError(error);
    return { error: { code, message: `The commit could not be kept as ${patchPath}. ${message}` } };
  }
}

// --- Internal helpers ---

const ofTip = /^([0-9a-f]{40}|[0-9a-f]{64})\.(pack|same)$/;
function beyondInWords(entry: string): string {
  const path = pathInWords(entry.slice(entry.indexOf(' ') + 1));
  return entry.startsWith('lfs ')
    ? `${path} belongs into Git LFS, which no commit here can fill.`
    : `${path} is a repository of its own, and what was changed there cannot be committed here.`;
}

const textBytesMax = 64 * 1024;

function bytesMaxOf(name: string): number {
  if (ofTip.test(name)) return name.endsWith('.pack') ? packBytesMax : 0;
  return { patch: patchBytesMax, log: textBytesMax, beyond: textBytesMax }[name] ?? -1;
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

const lineCharsMax = 200;

function lastLine(text: string): string {
  return cleanText(text).trim().split('\n').at(-1)?.trim().slice(0, lineCharsMax) ?? '';
}
