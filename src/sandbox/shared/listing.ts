import { limits } from '../../contracts/limits.ts';
import { nameAsText } from './file-name.ts';

/** A regular file of the workspace, as the second wall sees it. */
export interface ListedFile {
  /** Relative to the workspace, byte for byte. */
  readonly name: Buffer;
  readonly path: string;
  readonly sizeBytes: number;
}

export interface Listing {
  push(chunk: Buffer): void;
  readonly files: readonly ListedFile[];
  /** Files that were counted but not kept, because there are too many. */
  readonly notKept: () => number;
}

const filesMax = 50_000;
const depthMax = 32;

/**
 * Prints every regular file below these starting points as `size name NUL`. Links are not followed, other file
 * systems not entered; `output` comes first, so that a huge workspace cannot crowd it out.
 */
export function listCommand(scope: 'output' | 'workspace'): readonly string[] {
  const bounds = ['-xdev', '-maxdepth', String(depthMax)];
  const print = ['-type', 'f', '-readable', '-printf', '%s %p\\0'];
  if (scope === 'output') return ['/usr/bin/find', 'output', ...bounds, ...print];
  return ['/usr/bin/find', 'output', '.', ...bounds, '-path', './output', '-prune', '-o', ...print];
}

/** Reads what `listCommand` prints. */
export function createListing(): Listing {
  const files: ListedFile[] = [];
  const state = { rest: Buffer.alloc(0), notKept: 0 };
  return {
    files,
    notKept: () => state.notKept,
    push: (chunk) => {
      const bytes = state.rest.length === 0 ? chunk : Buffer.concat([state.rest, chunk]);
      const start = { at: 0 };
      for (let end = bytes.indexOf(0); end !== -1; end = bytes.indexOf(0, start.at)) {
        if (files.length < filesMax) files.push(parse(bytes.subarray(start.at, end)));
        else state.notKept += 1;
        start.at = end + 1;
      }
      state.rest = Buffer.from(bytes.subarray(start.at));
    },
  };
}

function parse(line: Buffer): ListedFile {
  const space = line.indexOf(' ');
  const printed = line.subarray(space + 1);
  const name = Buffer.from(printed.toString('latin1').replace(/^\.\//, ''), 'latin1');
  return { name, path: nameAsText(name), sizeBytes: Number(line.toString('latin1', 0, space)) };
}

/** Those that fit, what lies below `output` first, else in the order of their names; `skipped` counts the others. */
export function chooseFitting(
  files: readonly ListedFile[],
  { maxFiles, maxBytes }: { readonly maxFiles: number; readonly maxBytes: number },
): { chosen: ListedFile[]; skipped: number } {
  const chosen: ListedFile[] = [];
  const total = { bytes: 0 };
  const isBesides = ({ path }: ListedFile) => Number(!path.startsWith('output/'));
  for (const file of files.toSorted((a, b) => isBesides(a) - isBesides(b) || a.name.compare(b.name))) {
    if (chosen.length >= maxFiles || total.bytes + file.sizeBytes > maxBytes || isTooLong(file)) continue;
    chosen.push(file);
    total.bytes += file.sizeBytes;
  }
  return { chosen, skipped: files.length - chosen.length };
}

/** No store takes a key of any length, and nobody could ask for it by this path. */
function isTooLong({ path }: ListedFile): boolean {
  return Buffer.byteLength(path) > limits.artifactPathBytesMax;
}
