import type { Socket } from 'node:net';

/**
 * The one way out for everything that is fetched for a caller: tunnels, repositories, inputs, webhooks. It resolves a
 * name itself, refuses what is not public unless the operator allowed exactly that host and port, and dials the
 * addresses it checked.
 */
export interface Egress {
  /** Throws `egress_denied` where `dial` would refuse the target now, without dialing it. */
  check(target: DialTarget, signal: AbortSignal): Promise<void>;
  /** Throws `egress_denied` with the host and the reason, or what the connection threw. */
  dial(target: DialTarget, signal: AbortSignal): Promise<Socket>;
}

export interface DialTarget {
  readonly host: string;
  readonly port: number;
}
