import { appendFileSync, chmodSync, closeSync, openSync, writeFileSync } from 'node:fs';

/** What the last step reads: a file, because a program may open `/dev/stdin` anew and read it again. */
export interface Stdin {
  give(bytes: Buffer, append: boolean): void;
  /** Hands its descriptor to `use`. What is given once is lent once. */
  lend<T>(use: (descriptor: number) => T): T;
}

export function openStdin(path: string): Stdin {
  return {
    give: (bytes, append) => {
      if (append) appendFileSync(path, bytes);
      else writeFileSync(path, bytes, { mode: 0o600 });
    },
    lend: (use) => {
      appendFileSync(path, '', { mode: 0o600 });
      chmodSync(path, 0o444);
      const descriptor = openSync(path, 'r');
      try {
        return use(descriptor);
      } finally {
        closeSync(descriptor);
      }
    },
  };
}
