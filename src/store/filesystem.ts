import {
  closeSync,
  existsSync,
  fstatSync,
  linkSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { open, readdir, rm, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { RunyardError } from '../contracts/errors.ts';
import type { ByteRange, Created, ListOptions, Store } from '../contracts/store.ts';
import { folderOfPrefix, isPiece, keyOfEntry, pathOfKey, withoutMark } from './paths.ts';
import { createSpares, type SpareFile } from './spares.ts';

export interface FilesystemStoreOptions {
  /** Made with mode 0700 where it is not there. */
  readonly dir: string;
}

/**
 * Objects as files. Whole or not at all: a file is filled under a name of its own and linked to its key, which fails
 * where the key is taken. Small objects are read and written synchronously: that takes a tenth of a millisecond, a way
 * through the thread pool several times as long.
 */
export function createFilesystemStore({ dir }: FilesystemStoreOptions): Store {
  const spares = orUnwritable(dir, () => createSpares(join(dir, 'tmp')));

  const fill = async (spare: SpareFile, data: Uint8Array | string | AsyncIterable<Uint8Array>) => {
    if (typeof data === 'string') writeAll(spare.fd, Buffer.from(data));
    else if (data instanceof Uint8Array) writeAll(spare.fd, data);
    else for await (const chunk of data) writeAll(spare.fd, chunk);
  };

  const publish = (spare: SpareFile, key: string): Created => {
    const { folder, path } = pathOfKey(dir, key);
    try {
      return link(spare.path, path);
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error;
    }
    makeFolder(folder);
    return link(spare.path, path);
  };

  const makeFolder = (folder: string) => {
    mkdirSync(dirname(folder), { recursive: true, mode: 0o700 });
    const spare = spares.folder();
    try {
      renameSync(spare, folder);
    } catch (error) {
      // Somebody else made it between our look and our rename.
      if (!hasCode(error, 'ENOTEMPTY') && !hasCode(error, 'EEXIST')) throw error;
      void rm(spare, { recursive: true, force: true });
    }
  };

  return {
    async create(key, data) {
      let spare: SpareFile | undefined;
      try {
        spare = spares.file();
        await fill(spare, data);
        return publish(spare, key);
      } catch (error) {
        throw asUnwritable(dir, error);
      } finally {
        if (spare !== undefined) discard(spare);
      }
    },

    async persist(key) {
      // The caller's next writes would wait for the disk behind these.
      await setImmediate();
      const { folder, path } = pathOfKey(dir, key);
      await Promise.all([path, folder, dirname(folder)].map(syncToDisk)).catch((error: unknown) => {
        throw asUnwritable(dir, error);
      });
    },

    async read(key, range) {
      try {
        return await readFile(pathOfKey(dir, key).path, range);
      } catch (error) {
        if (isAbsent(error)) return undefined;
        throw new RunyardError('backend_error', `The store at ${dir} cannot be read: ${reasonOf(error)}.`, {
          cause: error,
        });
      }
    },

    async list(prefix, { after, limit }: ListOptions = {}) {
      const { folder, key } = folderOfPrefix(dir, prefix);
      const found = (await keysBelow(folder, key)).filter(
        (each) => each.startsWith(prefix) && (after === undefined || each > after),
      );
      return found.sort().slice(0, limit);
    },

    async remove(key) {
      const { path } = pathOfKey(dir, key);
      // A read-only disk refuses to remove even what is not there.
      if (!existsSync(path)) return;
      await unlink(path).catch((error: unknown) => {
        if (!isAbsent(error)) throw asUnwritable(dir, error);
      });
    },

    async removeAll(prefix) {
      const { folder, key } = folderOfPrefix(dir, prefix);
      if (key === prefix) await rm(folder, { recursive: true, force: true });
      else for (const each of await this.list(prefix)) await this.remove(each);
    },

    async close() {
      spares.close();
    },
  };
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length; ) written += writeSync(fd, bytes, written);
}

function link(from: string, to: string): Created {
  try {
    linkSync(from, to);
    return 'created';
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return 'exists';
    throw error;
  }
}

function discard({ fd, path }: SpareFile): void {
  closeSync(fd);
  unlinkSync(path);
}

async function syncToDisk(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Larger objects are read in the thread pool. */
const smallBytes = 256 * 1024;

async function readFile(path: string, range: ByteRange | undefined): Promise<Buffer> {
  const fd = openSync(path, 'r');
  try {
    const { size } = fstatSync(fd);
    const offset = Math.min(range?.offset ?? 0, size);
    const length = Math.min(range?.length ?? size, size - offset);
    if (length <= smallBytes) return readWhole(fd, offset, length);
  } finally {
    closeSync(fd);
  }
  const handle = await open(path, 'r');
  try {
    const { size } = await handle.stat();
    const offset = range?.offset ?? 0;
    const buffer = Buffer.allocUnsafe(Math.min(range?.length ?? size, size - offset));
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, offset);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

function readWhole(fd: number, offset: number, length: number): Buffer {
  const buffer = Buffer.allocUnsafe(length);
  return buffer.subarray(0, length === 0 ? 0 : readSync(fd, buffer, 0, length, offset));
}

async function keysBelow(folder: string, key: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    if (isAbsent(error)) return [];
    throw new RunyardError('backend_error', `The store's folder ${folder} cannot be read: ${reasonOf(error)}.`, {
      cause: error,
    });
  });
  const nested = await Promise.all(
    entries.map((entry) => {
      if (!entry.isDirectory()) return [keyOfEntry(key, entry.name)];
      const below = join(folder, entry.name);
      return isPiece(entry.name)
        ? namesInPieces(below, key, withoutMark(entry.name))
        : keysBelow(below, `${key}${entry.name}/`);
    }),
  );
  return nested.flat();
}

async function namesInPieces(folder: string, key: string, begun: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const nested = await Promise.all(
    entries.map((entry) =>
      entry.isDirectory()
        ? namesInPieces(join(folder, entry.name), key, begun + withoutMark(entry.name))
        : [keyOfEntry(key, begun + entry.name)],
    ),
  );
  return nested.flat();
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

/** ENOTDIR and ENAMETOOLONG: no object can be there. */
function isAbsent(error: unknown): boolean {
  return hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR') || hasCode(error, 'ENAMETOOLONG');
}

function reasonOf(error: unknown): string {
  if (hasCode(error, 'ENOSPC')) return 'the disk is full';
  if (hasCode(error, 'EROFS')) return 'the file system is read-only';
  if (hasCode(error, 'EACCES') || hasCode(error, 'EPERM')) return 'permission denied';
  return error instanceof Error ? error.message : String(error);
}

function asUnwritable(dir: string, error: unknown): RunyardError {
  if (error instanceof RunyardError) return error;
  return new RunyardError('backend_error', `The store at ${dir} cannot be written: ${reasonOf(error)}.`, {
    hint: 'Make room or mend the permissions there, then call again.',
    cause: error,
  });
}

function orUnwritable<T>(dir: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw asUnwritable(dir, error);
  }
}
