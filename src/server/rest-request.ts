import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Caller } from '../contracts/caller.ts';

/** One request below `/v1/` of a caller who is known, and where its answer goes. */
export interface RestRequest {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly caller: Caller;
  /** Aborted when the client has gone. */
  readonly gone: AbortSignal;
  readonly path: string;
  readonly query: URLSearchParams;
}
