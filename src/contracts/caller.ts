import type { BroughtCredentials } from './credentials.ts';

/** Who calls. The owner is namespaced: `local:{uid}` on stdio, `key:{id}` over HTTP. */
export interface Caller {
  readonly owner: string;
  /** Of this call alone; they say nothing of who calls. */
  readonly credentials?: BroughtCredentials | undefined;
}
