import { RunyardError } from '../../contracts/errors.ts';
import type { CollectedFile, CollectOptions } from '../../contracts/sandbox.ts';
import { nameAsText } from './file-name.ts';

/** Reads a tar as it comes and hands over its files, one at a time. */
export interface Unpacking {
  push(chunk: Buffer): void | Promise<void>;
  /** The tar has ended: the number of files handed over, once the last one was. */
  end(): Promise<number>;
  /** Rejects with what went wrong, never resolves. */
  readonly failed: Promise<never>;
}

export async function unpack({ onFile, signal }: Pick<CollectOptions, 'onFile' | 'signal'>): Promise<Unpacking> {
  // Imported at the first artifact, for the memory of a runner that has none.
  const { extract } = await import('tar-stream');
  const reader = extract(extractOptions);
  const handOver = async () => {
    const count = { files: 0 };
    for await (const entry of reader) {
      const { name, size = 0, type } = entry.header;
      if (type === 'file') {
        const file: CollectedFile = {
          path: nameAsText(Buffer.from(name, 'latin1')),
          sizeBytes: size,
          content: bytesOf(entry),
        };
        await onFile(file);
        count.files += 1;
      }
      entry.resume();
    }
    return count.files;
  };
  const files = handOver();
  const failed = new Promise<never>((_, reject) => files.catch((error) => reject(inOurWords(error))));
  failed.catch(() => reader.destroy());
  // With an error: a file that is being handed over would else seem to end there.
  signal.addEventListener('abort', () => reader.destroy(reasonOf(signal)), { once: true });
  const held: { release: () => void } = { release: () => undefined };
  for (const event of ['drain', 'close'] as const) reader.on(event, () => held.release());
  return {
    push: (chunk) => {
      if (reader.write(chunk)) return;
      return new Promise((resolve) => {
        held.release = resolve;
        if (reader.destroyed) resolve();
      });
    },
    end: () => {
      reader.end(null);
      return Promise.race([files, failed]);
    },
    failed,
  };
}

/** latin1 keeps every byte of a name. tar-stream's own types do not know this option. */
const extractOptions = { filenameEncoding: 'latin1', highWaterMark: 64 * 1024 };

async function* bytesOf(entry: AsyncIterable<unknown>): AsyncGenerator<Uint8Array> {
  for await (const chunk of entry) if (chunk instanceof Uint8Array) yield chunk;
}

function reasonOf({ reason }: AbortSignal): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}

function inOurWords(error: unknown): unknown {
  if (error instanceof Error && error.message === 'Unexpected end of data') {
    return new RunyardError('backend_error', 'What the program left could not be packed to its end.', { cause: error });
  }
  return error;
}
