import { createServer } from 'node:net';

/** A name that only one process of this machine holds. The kernel frees it when its holder dies. */
export interface Lease {
  readonly name: string;
  release(): Promise<void>;
}

/** Binds the abstract socket of that name; undefined where another process, or one that is ending, still holds it. */
export function takeLease(name: string): Promise<Lease | undefined> {
  const server = createServer((stranger) => stranger.destroy());
  server.unref();
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined);
      else reject(error);
    });
    server.listen(`\0${name}`, () => {
      resolve({ name, release: () => new Promise((released) => server.close(() => released())) });
    });
  });
}
