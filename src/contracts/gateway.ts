import type { Server } from 'node:net';
import type { DialTarget } from './egress.ts';
import type { HostRule } from './hosts.ts';
import type { Prices } from './prices.ts';
import type { ModelEndpoint, Usage } from './task.ts';

/** The only door in the wall, for one run: one placeholder key, one meter, one list of what it may do. */
export interface Gateway {
  /** What the program inside uses as its API key. Random, worthless outside this run. */
  readonly placeholderKey: string;
  /** Serves the connections of the wall's own listener. */
  serve(door: Server): void;
  /** What was spent until now, as the upstream's own streams told. */
  spent(): Spent;
  /**
   * The answers in assistant messages that were delivered whole, in order: each text, all texts of a message together,
   * and structured answers as JSON.
   */
  delivered(): readonly string[];
  /** The last answer of the endpoint that was no success, in our words; undefined while all went well. */
  lastFailure(): string | undefined;
  /** Why the run's budget refuses calls or cut an answer short, with what was spent; undefined while it lasts. */
  budgetReached(): string | undefined;
  /** Destroys every connection and closes the listener. */
  close(): Promise<void>;
}

export interface Spent {
  readonly usage: Usage;
  /** Null where a model without a known price was used. */
  readonly costUsd: number | null;
}

/** An MCP server that is called with a secret: the program inside knows a path of the door in its place. */
export interface SecretMcpServer {
  /** One segment of a path as it stands. */
  readonly name: string;
  readonly url: string;
  /** Sent as the bearer token. */
  readonly secret: string;
  /** Names of headers that cross besides those of the protocol, in lower case. */
  readonly headers: readonly string[];
}

/** Where such a server is found at the door. */
export function mcpPath(name: string): string {
  return `/mcp/${name}`;
}

export interface GatewayOptions {
  /** No model is reached where not given. */
  readonly endpoint?: ModelEndpoint;
  /** What may be reached through it with CONNECT; nothing where not given. */
  readonly hosts?: readonly HostRule[];
  /** Those of them that the operator allows though they are private. */
  readonly privateTargets?: readonly DialTarget[];
  /** What may be called below `/mcp/`; nothing where not given. */
  readonly mcpServers?: readonly SecretMcpServer[];
  /** The models that may be asked for; any where not given. */
  readonly models?: readonly string[];
  /** Of models; those of the package where not given. */
  readonly prices?: Prices | undefined;
  /** The most that all calls together may cost; no limit where not given. */
  readonly maxBudgetUsd?: number;
  /** A path that was refused, or a call the door would not make. Becomes an event of the run. */
  readonly onDenied: (denial: { readonly what: string; readonly why: string }) => void;
}
