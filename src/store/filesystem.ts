import {
  closeSync,
  existsSync,
  fstatSync,
  fsync,
  linkSync,
  openSync,
  readSync,
  renameSync,
  statSync,
  unlinkSync,
  utimesSync,
  write,
  writeSync,
} from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { ByteRange, Created, ListOptions, Store } from '../contracts/store.ts';
import { hasCode } from '../lib/has-code.ts';
import { makeFolder } from '../lib/make-folder.ts';
import { asUnwritable, isAbsent, orUnwritable, unreadable } from './failures.ts';
import { keysBelow } from './listing.ts';
import { folderOfPrefix, pathOfKey } from './paths.ts';
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

  /** Folders whose own name is not known to be on disk yet. */
  const madeFolders = new Set<string>();

  /** What a stream of data throws itself is no fault of the store, and stays what it is. */
  const fill = async ({ fd }: SpareFile, data: Uint8Array | string | AsyncIterable<Uint8Array>) => {
    if (typeof data === 'string') orUnwritable(dir, () => writeAll(fd, Buffer.from(data)));
    else if (data instanceof Uint8Array) orUnwritable(dir, () => writeAll(fd, data));
    else for await (const chunk of data) await writeSlowly(fd, chunk).catch(refuseWriting);
  };

  const refuseWriting = (error: unknown): never => {
    throw asUnwritable(dir, error);
  };

  const publish = (source: string, key: string): Created => {
    const { folder, path } = pathOfKey(dir, key);
    try {
      return link(source, path);
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error;
    }
    placeFolder(folder);
    madeFolders.add(folder);
    return link(source, path);
  };

  const placeFolder = (folder: string) => {
    makeFolder(dirname(folder), 0o700);
    const spare = spares.folder();
    try {
      renameSync(spare, folder);
    } catch (error) {
      // Somebody else made it between our look and our rename.
      if (!hasCode(error, 'ENOTEMPTY') && !hasCode(error, 'EEXIST')) throw error;
      // Where it cannot be removed now, it is swept with what is stale.
      rm(spare, { recursive: true, force: true }).catch(() => undefined);
    }
  };

  /** Whoever asks for a path whose sync has not begun waits for the same one. */
  const due = new Map<string, Promise<void>>();

  const syncSoon = (path: string): Promise<void> => {
    const known = due.get(path);
    if (known !== undefined) return known;
    // Not at once: the caller's next writes would wait for the disk behind it.
    const synced = setImmediate().then(() => {
      due.delete(path);
      return syncToDisk(path);
    });
    due.set(path, synced);
    return synced;
  };

  return {
    async create(key, data) {
      // A mark without content: its name alone counts, and an inode costs more than a name.
      if (data === '') return orUnwritable(dir, () => publish(spares.emptyFile(), key));
      const spare = orUnwritable(dir, () => spares.file());
      try {
        await fill(spare, data);
        return orUnwritable(dir, () => publish(spare.path, key));
      } finally {
        orUnwritable(dir, () => discard(spare));
      }
    },

    async persist(key) {
      const { folder, path } = pathOfKey(dir, key);
      const isNew = madeFolders.has(folder);
      try {
        await Promise.all([path, folder, ...(isNew ? [dirname(folder)] : [])].map(syncSoon));
      } catch (error) {
        throw asUnwritable(dir, error);
      }
      if (isNew) madeFolders.delete(folder);
    },

    async read(key, range) {
      try {
        return await readFile(pathOfKey(dir, key).path, range);
      } catch (error) {
        if (isAbsent(error)) return undefined;
        throw unreadable(dir, error);
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
      try {
        unlinkSync(path);
      } catch (error) {
        if (!isAbsent(error)) throw asUnwritable(dir, error);
      }
    },

    async removeAll(prefix) {
      const { folder, key } = folderOfPrefix(dir, prefix);
      if (key === prefix) await rm(folder, { recursive: true, force: true });
      else for (const each of await this.list(prefix)) await this.remove(each);
    },

    async touch(key) {
      const now = new Date();
      try {
        utimesSync(pathOfKey(dir, key).path, now, now);
      } catch (error) {
        if (!isAbsent(error)) throw asUnwritable(dir, error);
      }
    },

    async expire(prefix, olderThanMs) {
      for (const key of await this.list(prefix)) {
        if (Date.now() - ageMark(pathOfKey(dir, key).path) > olderThanMs) await this.remove(key);
      }
    },

    async close() {
      spares.close();
    },
  };
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length; ) written += writeSync(fd, bytes, written);
}

const writeInBackground = promisify(write);

/** What comes as a stream is large: a disk that is behind must not hold everybody else up. */
async function writeSlowly(fd: number, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    written += (await writeInBackground(fd, bytes, written)).bytesWritten;
  }
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

/** Milliseconds since 1970; what is gone by now counts as new. */
function ageMark(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Number.POSITIVE_INFINITY;
}

function discard({ fd, path }: SpareFile): void {
  closeSync(fd);
  unlinkSync(path);
}

const flush = promisify(fsync);

/** Opened at once: a file handle of `fs/promises` costs several times the opening itself. */
async function syncToDisk(path: string): Promise<void> {
  const fd = openSync(path, 'r');
  try {
    await flush(fd);
  } finally {
    closeSync(fd);
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
