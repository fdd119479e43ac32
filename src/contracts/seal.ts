/** Envelope encryption of what is private in a task. Each adapter passes `test/contract/seal.ts`. */
export interface Seal {
  /** `context` binds the sealed bytes to their place (the task id): unsealing with another one fails. */
  seal(plain: Uint8Array, context: string): Promise<Buffer>;
  /** Throws `backend_error` where the bytes were changed, the key is another one, or the context differs. */
  unseal(sealed: Uint8Array, context: string): Promise<Buffer>;
}
