import { RunyardError } from '../contracts/errors.ts';

/** An archive that cannot be read is the caller's; everything else stays what it is. */
export function asBrokenArchive(error: unknown): unknown {
  if (error instanceof RunyardError) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const isOfReader =
    error instanceof Error &&
    /tar|header|unexpected end|size mismatch|Writable stream closed|Premature/i.test(error.message);
  if (!isOfReader && !/^(Z_|ZSTD_|ERR_ZSTD|ERR_BUFFER)/.test(code)) return error;
  return new RunyardError('invalid_request', 'The archive is broken: it is no whole tar, tar.gz or tar.zst.', {
    cause: error,
  });
}
