import { closeSync, constants, ftruncateSync, openSync, readSync } from 'node:fs';

/** Where bwrap tells of the wall it builds. A file and no pipe: it is complete before init begins, and nobody waits for it. */
export interface InfoFile {
  /** The descriptor of the emptied file, for the next bwrap to write to. */
  renew(): number;
  text(): string;
  close(): void;
}

const { O_RDWR, O_APPEND, O_CREAT, O_EXCL } = constants;
/** bwrap tells of a pid and a few namespaces. */
const mostBytes = 4096;

export function makeInfoFile(path: string): InfoFile {
  // Every writer has the same place in it: appending, each begins where the file ends.
  const fd = openSync(path, O_RDWR | O_APPEND | O_CREAT | O_EXCL, 0o600);
  return {
    renew: () => {
      ftruncateSync(fd);
      return fd;
    },
    text: () => {
      const bytes = Buffer.allocUnsafe(mostBytes);
      return bytes.toString('utf8', 0, readSync(fd, bytes, 0, mostBytes, 0));
    },
    close: () => closeSync(fd),
  };
}
