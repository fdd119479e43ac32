import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { z } from 'zod';
import { RunyardError } from '../../contracts/errors.ts';

/** The folder of this very package, from `src/` and from `dist/` alike. */
export const packageRoot = fileURLToPath(new URL('../../../', import.meta.url));

export const dockerfile = 'sandbox-image/Dockerfile';

const manifestSchema = z.object({ version: z.string(), files: z.array(z.string()) });

/** What an image is built from: the package as it is published, and its lock file where there is one. */
export interface PackageFiles {
  /** The folder they lie in. */
  readonly root: string;
  readonly version: string;
  /** Of the contents: the same files have the same, whenever and wherever they are read. */
  readonly sha256: string;
  /** tar.gz. */
  archive(): Promise<Buffer>;
}

/** Throws `invalid_request` where the package cannot be an image: it was not built, or came without its Dockerfile. */
export function readPackage(root = packageRoot): PackageFiles {
  const { version, files } = manifestSchema.parse(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')));
  const paths = ['package.json', 'package-lock.json', ...files].flatMap((path) => filesBelow(root, path)).sort();
  for (const needed of [dockerfile, 'dist/main.js', 'dist/runner/main.js']) {
    if (paths.includes(needed)) continue;
    throw new RunyardError('invalid_request', `${join(root, needed)} is not there, so no image can be built.`, {
      hint: 'In a checkout run "npm run build" first; or name an image: --image REF.',
    });
  }
  const contents = new Map(paths.map((path) => [path, readPacked(join(root, path))]));
  return { root, version, sha256: hashOf(contents), archive: () => pack(contents) };
}

/** Regular files, without what a tool left hidden. */
function filesBelow(root: string, path: string): string[] {
  const full = join(root, path);
  const found = statSync(full, { throwIfNoEntry: false });
  if (found === undefined) return [];
  if (found.isFile()) return [path];
  return readdirSync(full, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));
}

interface PackedFile {
  /** Of the mode only whether it is a program: the rest is the taste of the machine it was checked out on. */
  readonly mode: number;
  readonly content: Buffer;
}

function readPacked(path: string): PackedFile {
  const isProgram = (statSync(path).mode & 0o100) !== 0;
  return { mode: isProgram ? 0o755 : 0o644, content: readFileSync(path) };
}

function hashOf(contents: ReadonlyMap<string, PackedFile>): string {
  const hash = createHash('sha256');
  for (const [path, { mode, content }] of contents) hash.update(`${path}\0${mode} ${content.length}\0`).update(content);
  return hash.digest('hex');
}

async function pack(contents: ReadonlyMap<string, PackedFile>): Promise<Buffer> {
  const { pack: createPack } = await import('tar-stream');
  const tar = createPack();
  for (const [name, { mode, content }] of contents) tar.entry({ name, mode, mtime: new Date(0) }, content);
  tar.finalize();
  return promisify(gzip)(await buffer(tar));
}
