import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, type Stats } from 'node:fs';
import { chmod, copyFile, link, mkdir, open, readlink, realpath, rename, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname } from 'node:path';
import { arch, getuid } from 'node:process';
import { pipeline } from 'node:stream/promises';
import { RunyardError } from '../../contracts/errors.ts';
import { makeFolder } from '../../lib/make-folder.ts';
import { closedFolderOf } from '../shared/work-folder.ts';

/**
 * Where a program of the host can be bound from: its real path, or as root, where another user cannot get at that, a
 * copy below `bin/` of the work folder, made once per content. Throws `sandbox_unavailable` where there is no program.
 */
export async function bindablePath(path: string, workDir: string): Promise<string> {
  const { real, stats } = await find(path);
  const isOpenToAll = (stats.mode & 0o005) === 0o005;
  if (getuid!() !== 0 || (isOpenToAll && (await closedFolderOf(dirname(real))) === undefined)) return real;
  return copyOnce(real, stats, `${workDir}/bin`);
}

async function find(path: string): Promise<{ real: string; stats: Stats }> {
  try {
    const real = await nativeProgram(await realpath(path));
    return { real, stats: await stat(real) };
  } catch (cause) {
    throw new RunyardError(
      'sandbox_unavailable',
      `The program ${basename(path)}, which is to stand inside the wall, cannot be read.`,
      {
        hint: 'Run "runyard doctor": it names the path.',
        cause,
      },
    );
  }
}

/** The npm package of claude starts its native program by a script where its install script did not run. */
async function nativeProgram(real: string): Promise<string> {
  if (!real.includes('/@anthropic-ai/claude-code/') || (await isElf(real))) return real;
  const manifest = createRequire(real).resolve(`@anthropic-ai/claude-code-linux-${arch}/package.json`);
  return realpath(`${dirname(manifest)}/claude`);
}

async function isElf(path: string): Promise<boolean> {
  const file = await open(path);
  try {
    const { buffer } = await file.read(Buffer.alloc(4), 0, 4, 0);
    return buffer.toString('latin1') === '\x7fELF';
  } finally {
    await file.close();
  }
}

/** The folder is named by the content; a link named by path, size and time spares reading it all at each start. */
async function copyOnce(real: string, stats: Stats, bin: string): Promise<string> {
  const origin = createHash('sha256').update([real, stats.size, stats.mtimeMs, stats.ino].join('\0')).digest('hex');
  const known = `${bin}/origins/${origin}`;
  const folder = await readlink(known).catch(() => undefined);
  const copy = `${bin}/${folder}/${basename(real)}`;
  if (folder !== undefined && (await stat(copy).catch(() => undefined))?.size === stats.size) return copy;
  for (const path of [bin, `${bin}/origins`]) {
    makeFolder(path, 0o711);
    await chmod(path, 0o711);
  }
  const made = await copyByContent(real, stats, bin);
  await rm(known, { force: true });
  await symlink(made, known).catch(unlessThere);
  return `${bin}/${made}/${basename(real)}`;
}

async function copyByContent(real: string, stats: Stats, bin: string): Promise<string> {
  const aside = `${bin}/${randomUUID()}`;
  try {
    await mkdir(aside);
    await chmod(aside, 0o711);
    const copy = `${aside}/${basename(real)}`;
    await linkOrCopy(real, stats, copy);
    const hash = createHash('sha256');
    await pipeline(createReadStream(copy), hash);
    const name = hash.digest('hex');
    await rename(aside, `${bin}/${name}`).catch(unlessThere);
    return name;
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}

/** A hard link only where nobody but root can change what it leads to. */
async function linkOrCopy(real: string, stats: Stats, copy: string): Promise<void> {
  const isRootsAlone = stats.uid === 0 && (stats.mode & 0o022) === 0 && (stats.mode & 0o005) === 0o005;
  if (
    isRootsAlone &&
    (await link(real, copy).then(
      () => true,
      () => false,
    ))
  )
    return;
  await copyFile(real, copy);
  await chmod(copy, 0o755);
}

function unlessThere(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST' && error.code !== 'ENOTEMPTY') throw error;
}
