import type { IncomingMessage } from 'node:http';

/** Reads bodies into memory, within what one and all of them together may hold. */
export interface ReadBudget {
  read(request: IncomingMessage): Promise<Read | 'too_large' | 'busy' | 'gone'>;
}

export interface Read {
  readonly text: string;
  /** The text is no longer needed. */
  release(): void;
}

export interface ReadBudgetOptions {
  readonly eachBytesMax: number;
  readonly allBytesMax: number;
}

export function createReadBudget({ eachBytesMax, allBytesMax }: ReadBudgetOptions): ReadBudget {
  let held = 0;

  return {
    async read(request) {
      const chunks: Buffer[] = [];
      let bytes = 0;
      const release = () => {
        held -= bytes;
        bytes = 0;
      };
      try {
        // A body that is too large is left unread, so that the refusal can still be answered.
        for await (const chunk of request.iterator({ destroyOnReturn: false })) {
          bytes += chunk.length;
          held += chunk.length;
          if (bytes > eachBytesMax || held > allBytesMax) {
            const why = bytes > eachBytesMax ? 'too_large' : 'busy';
            release();
            return why;
          }
          chunks.push(chunk);
        }
      } catch {
        release();
        return 'gone'; // The client closed its connection: there is nobody to answer.
      }
      return { text: Buffer.concat(chunks).toString('utf8'), release };
    },
  };
}
