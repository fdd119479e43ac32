import { realpath } from 'node:fs/promises';
import { isAbsolute, sep } from 'node:path';
import type { Egress } from '../contracts/egress.ts';
import { RunyardError } from '../contracts/errors.ts';
import type { Inputs } from '../contracts/inputs.ts';
import { keys } from '../contracts/keys.ts';
import { createFreshWork } from '../lib/fresh-work.ts';
import { hasCode } from '../lib/has-code.ts';
import { hasZstd, nodesWithZstd } from '../lib/zstd.ts';
import { entriesOfArchive } from './archive.ts';
import { untilStopped } from './entries.ts';
import { fetchArchive } from './fetch.ts';
import { entriesOfFolder } from './folder.ts';
import { type Keeping, keepEntries } from './keep.ts';

export interface InputsOptions extends Keeping {
  readonly egress: Egress;
  /** Folders of this machine whose contents callers may bring; none where empty. */
  readonly roots: readonly string[];
  /** Folders that nobody brings along, whatever the roots are: our own keys and objects. */
  readonly ownFolders: readonly string[];
}

export function createInputs(options: InputsOptions): Inputs {
  /** Whoever brings the same at the same time waits for one packing: one that has not begun, for they bring what is there now. */
  const packOnce = createFreshWork<string>();

  const packed = async (from: string, owner: string, signal: AbortSignal): Promise<string> => {
    if (!from.startsWith('https://')) {
      const entries = entriesOfFolder(await allowedPath(options, from));
      return (await keepEntries(options, untilStopped(entries, signal), owner)).sha256;
    }
    const body = await fetchArchive(options.egress, from, signal);
    try {
      return (await keepEntries(options, entriesOfArchive(body), owner)).sha256;
    } finally {
      // What was refused in the middle is not read to its end: the server would wait for us for ever.
      body.destroy();
    }
  };

  return {
    async resolve(from, owner, signal) {
      const [, sha256] = /^sha256:([0-9a-f]{64})$/.exec(from) ?? [];
      if (sha256 === undefined) {
        await refuseWithoutZstd();
        return packOnce(JSON.stringify([owner, from]), (stop) => packed(from, owner, stop), signal);
      }
      const key = keys.input(owner, sha256);
      if ((await options.store.read(key, { offset: 0, length: 1 })) === undefined)
        throw new RunyardError('not_found', `There is no input ${from}.`, {
          hint: 'Bring it with PUT /v1/inputs; it is kept for 7 days after its last use.',
        });
      await options.store.touch(key);
      return sha256;
    },
    async put(archive, owner) {
      await refuseWithoutZstd();
      return keepEntries(options, entriesOfArchive(archive), owner);
    },
  };
}

// --- Internal helpers ---

/** Before anything is read or fetched. */
async function refuseWithoutZstd(): Promise<void> {
  if (await hasZstd()) return;
  const message = `Inputs are packed with zstd, for which the server needs Node.js ${nodesWithZstd}; it runs on ${process.versions.node}.`;
  throw new RunyardError('backend_error', message, {
    hint: 'Ask the operator to start Runyard with a newer Node.js. Small files can be brought in "files".',
    retryable: false,
  });
}

/** The real path, where it lies below a root and neither in nor above a folder of ours. */
async function allowedPath({ roots, ownFolders }: InputsOptions, from: string): Promise<string> {
  if (!isAbsolute(from))
    throw new RunyardError(
      'invalid_request',
      `${JSON.stringify(from.slice(0, 200))} is no sha256:HEX, https:// address or absolute path.`,
    );
  const path = await real(from);
  const known = await Promise.all(roots.map(real));
  // One answer for what is not there and what is not allowed: nobody looks around on this machine.
  if (path === undefined || !known.some((root) => root !== undefined && isWithin(path, root)))
    throw new RunyardError('forbidden', `${from} is not below a folder that callers may bring inputs from.`, {
      hint: 'The operator lists folders in RUNYARD_INPUT_ROOTS.',
    });
  const own = (await Promise.all(ownFolders.map(real))).filter((folder) => folder !== undefined);
  if (own.some((folder) => isWithin(path, folder) || isWithin(folder, path)))
    throw new RunyardError('forbidden', `${from} holds the folders of Runyard itself, which are never brought along.`);
  return path;
}

async function real(path: string): Promise<string | undefined> {
  try {
    return await realpath(path);
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR') || hasCode(error, 'EACCES')) return undefined;
    throw error;
  }
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}
