/** Immutable objects under keys. The one truth about every task; each adapter passes `test/contract/store.ts`. */
export interface Store {
  /**
   * Creates the object, whole or not at all, if none stands under `key`; then everybody sees it.
   * Throws `backend_error` where the store cannot be written.
   */
  create(key: string, data: Uint8Array | string | AsyncIterable<Uint8Array>): Promise<Created>;
  /** Resolves when an object that was created survives a power cut. What is acknowledged was persisted first. */
  persist(key: string): Promise<void>;
  /** The object's bytes, or those of `range`; undefined where there is none. */
  read(key: string, range?: ByteRange): Promise<Buffer | undefined>;
  /** The keys that begin with `prefix` (a whole number of segments, ending in `/`), in byte order. */
  list(prefix: string, options?: ListOptions): Promise<string[]>;
  /** Removes one object; none there is no error. */
  remove(key: string): Promise<void>;
  /** Removes every object below `prefix`. */
  removeAll(prefix: string): Promise<void>;
  /** Lets the object's age begin anew; none there is no error. */
  touch(key: string): Promise<void>;
  /** Removes what has lain untouched below `prefix` for so long, where the store's own place does not do that itself. */
  expire(prefix: string, olderThanMs: number): Promise<void>;
  close(): Promise<void>;
}

export type Created = 'created' | 'exists';

/** Bytes `offset` to `offset + length`, cut at the object's end. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

export interface ListOptions {
  /** Only keys after this one. */
  readonly after?: string;
  readonly limit?: number;
}
