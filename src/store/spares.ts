import { randomUUID } from 'node:crypto';
import { closeSync, mkdirSync, open, openSync, readdirSync, rmSync, statSync, unlinkSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { makeFolder } from '../lib/make-folder.ts';

/** An empty file, open for writing, under a name of its own. */
export interface SpareFile {
  readonly fd: number;
  readonly path: string;
}

/** Empty files and folders made ahead of need: making an inode costs more than filling and linking it. */
export interface Spares {
  file(): SpareFile;
  /** The path of an empty folder, to be renamed into place. */
  folder(): string;
  /** The path of an empty file that any number of keys may be linked to: it has nothing to tell them apart. */
  emptyFile(): string;
  close(): void;
}

const openFile = promisify(open);

/** About the creates of two calls. */
const filesAhead = 20;
const foldersAhead = 4;

/** What a killed process left is younger than this while another one may still use it. */
const staleAfterMs = 24 * 3_600_000;

/** Fewer than any file system takes of one file (ext4 65,000, NTFS 1,023), and renewed long before it counts as stale. */
const empty = { linksMax: 1000, renewAfterMs: staleAfterMs / 2 };

export function createSpares(dir: string): Spares {
  makeFolder(dir, 0o700);
  removeStale(dir);
  const files: SpareFile[] = [];
  const folders: string[] = [];
  let shared: { path: string; links: number; madeAtMs: number } | undefined;
  let refilling = false;
  let closed = false;

  const newPath = () => join(dir, randomUUID());

  const refill = async () => {
    while (!closed && (files.length < filesAhead || folders.length < foldersAhead)) {
      const path = newPath();
      if (folders.length < foldersAhead) {
        await mkdir(path, { mode: 0o700 });
        folders.push(path);
      } else {
        files.push({ path, fd: await openFile(path, 'wx', 0o600) });
      }
    }
    if (closed) discard();
  };

  /** In the background; where it fails, the next take makes its own and gets the error. */
  const refillSoon = () => {
    if (refilling || closed) return;
    refilling = true;
    setTimeout(() => {
      refill()
        .catch(() => undefined)
        .finally(() => {
          refilling = false;
        });
    }, refillAfterMs).unref();
  };

  const discard = () => {
    for (const { fd, path } of files.splice(0)) {
      closeSync(fd);
      unlinkSync(path);
    }
    for (const path of folders.splice(0)) rmSync(path, { recursive: true });
    if (shared !== undefined) rmSync(shared.path, { force: true });
    shared = undefined;
  };

  return {
    file() {
      refillSoon();
      const spare = files.pop();
      if (spare !== undefined) return spare;
      const path = newPath();
      return { path, fd: openSync(path, 'wx', 0o600) };
    },
    folder() {
      refillSoon();
      const spare = folders.pop();
      if (spare !== undefined) return spare;
      const path = newPath();
      mkdirSync(path, { mode: 0o700 });
      return path;
    },
    emptyFile() {
      if (shared === undefined || shared.links >= empty.linksMax || Date.now() - shared.madeAtMs > empty.renewAfterMs) {
        if (shared !== undefined) rmSync(shared.path, { force: true });
        const path = newPath();
        closeSync(openSync(path, 'wx', 0o600));
        shared = { path, links: 0, madeAtMs: Date.now() };
      }
      shared.links += 1;
      return shared.path;
    },
    close() {
      closed = true;
      discard();
    },
  };
}

/** Refilling waits until the call that took is likely over, so that it does not compete with it. */
const refillAfterMs = 5;

function removeStale(dir: string): void {
  const oldest = Date.now() - staleAfterMs;
  for (const name of readdirSync(dir)) {
    const path = join(dir, name);
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat !== undefined && stat.mtimeMs < oldest) rmSync(path, { recursive: true, force: true });
  }
}
