import { limits } from './limits.ts';

/** What callers bring along, kept in the store under its content's hash: the same content is kept once for each owner. */
export interface Inputs {
  /**
   * Keeps what `from` names and resolves with the sha256 of its contents. `from` is `sha256:HEX`, an `https://` archive or
   * an absolute path below one of the operator's roots. Throws `invalid_request`, `not_found`, `forbidden` or `egress_denied`.
   */
  resolve(from: string, owner: string, signal: AbortSignal): Promise<string>;
  /** Keeps an archive: tar, also compressed with gzip or zstd. Throws `invalid_request` where it is none that can be used. */
  put(archive: AsyncIterable<Uint8Array>, owner: string): Promise<{ readonly sha256: string; readonly isNew: boolean }>;
}

/** In a kept archive: its one entry where a file and no folder was brought. */
export const singleFileEntry = '.runyard-file';

/** Of an archive of inputs, unpacked: each entry has a header beside its bytes. */
export const tarBytesMax = limits.workspaceBytesMax + limits.workspaceInodesMax * 2048;
