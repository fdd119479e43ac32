import { posix } from 'node:path';
import { RunyardError } from '../contracts/errors.ts';
import { limits } from '../contracts/limits.ts';

/** One thing in a tree of inputs, without owner and time. Folders are told only where they are empty or come first. */
export interface Entry {
  /** Relative, with `/`. */
  readonly path: string;
  readonly type: 'file' | 'directory' | 'symlink';
  readonly executable: boolean;
  readonly sizeBytes: number;
  /** Of a symlink. */
  readonly target?: string;
  /** Of a file: exactly `sizeBytes` bytes; each chunk holds until the next one is asked for. */
  readonly content?: AsyncIterable<Uint8Array>;
}

const pathBytesMax = 4096;

/** Passes entries on as long as nothing in them climbs, links out, lies under a link, or grows beyond the limits. */
export async function* checked(entries: AsyncIterable<Entry>): AsyncGenerator<Entry> {
  const kinds = new Map<string, Entry['type']>();
  let bytes = 0;
  for await (const entry of entries) {
    refusePath(entry.path);
    refuseBelowOthers(entry.path, kinds);
    const known = kinds.get(entry.path);
    if (known !== undefined && !(known === 'directory' && entry.type === 'directory'))
      throw refusal(entry.path, 'stands there twice');
    if (entry.type === 'symlink') refuseTarget(entry.path, entry.target ?? '');
    kinds.set(entry.path, entry.type);
    bytes += entry.sizeBytes;
    if (bytes > limits.workspaceBytesMax) throw new RunyardError('invalid_request', `It unpacks to more than 4 GiB.`);
    if (kinds.size > limits.workspaceInodesMax)
      throw new RunyardError('invalid_request', `It holds more than ${limits.workspaceInodesMax} entries.`);
    yield entry;
  }
}

/** The entries as they come; throws the signal's reason in place of the next one. */
export async function* untilStopped(entries: AsyncIterable<Entry>, signal: AbortSignal): AsyncGenerator<Entry> {
  for await (const entry of entries) {
    signal.throwIfAborted();
    yield entry;
  }
}

export function refusal(path: string, why: string): RunyardError {
  return new RunyardError('invalid_request', `${JSON.stringify(path.slice(0, 200))} ${why}.`);
}

// --- Internal helpers ---

function refusePath(path: string): void {
  const plain = posix.normalize(path);
  if (path === '' || path.includes('\0') || plain !== path) throw refusal(path, 'is no plain relative path');
  if (path.startsWith('/') || plain === '..' || plain.startsWith('../'))
    throw refusal(path, 'climbs out of its folder');
  if (Buffer.byteLength(path) > pathBytesMax) throw refusal(path, 'is too long');
}

/** What lies below a link would be written to wherever that leads. */
function refuseBelowOthers(path: string, kinds: ReadonlyMap<string, Entry['type']>): void {
  for (let above = posix.dirname(path); above !== '.'; above = posix.dirname(above)) {
    const kind = kinds.get(above);
    if (kind === 'symlink' || kind === 'file') throw refusal(path, `lies below ${above}, which is no folder`);
    if (kind === 'directory') return;
  }
}

function refuseTarget(path: string, target: string): void {
  const reached = posix.normalize(posix.join(posix.dirname(path), target));
  if (
    target === '' ||
    target.includes('\0') ||
    posix.isAbsolute(target) ||
    reached === '..' ||
    reached.startsWith('../')
  )
    throw refusal(path, 'links out of its folder');
}
